"""Training that was killed gives the result of uninterrupted training, bit for bit."""

import os
import re

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import callbacks, conditions, networks
from keras_cvae.fitting import inside, state_files

pytestmark = pytest.mark.usefixtures("uncompiled")
RNG = np.random.default_rng(0)
X = RNG.random((48, 6), dtype="float32")
Y = RNG.integers(0, 3, 48).astype("int32")
EPOCHS = 5


class Killed(BaseException):
    """Stands for SIGKILL, after which nothing of Python runs."""


class Kill(keras.callbacks.Callback):
    """Ends the training at the beginning of an epoch."""

    def __init__(self, epoch):
        super().__init__()
        self.get_state, self.set_state = dict, lambda state: None
        self._epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == self._epoch:
            raise Killed


class Draws(keras.callbacks.Callback):
    """A user's own callback: counts, and draws from generators of the process."""

    def on_train_begin(self, logs=None):
        self.drawn = []

    def on_epoch_end(self, epoch, logs=None):
        self.drawn.append((np.random.random(), float(np.float32(logs["loss"]))))


class Turning(keras.utils.PyDataset):
    """Batches of rows in another order each epoch."""

    def __init__(self, seed=None):
        super().__init__()
        self.rng, self.order = np.random.default_rng(seed), np.arange(len(X))

    def __len__(self):
        return 3

    def __getitem__(self, number):
        rows = self.order[16 * number : 16 * (number + 1)]
        return X[rows], Y[rows]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(X))


def endless(seed):
    rng = np.random.default_rng(seed)
    while True:
        rows = rng.choice(len(X), 16)
        yield X[rows], Y[rows]


def train(path, *data, kill=None, rate=0.01, epochs=EPOCHS, force=False, patience=3, **options):
    """Trains a new model as a new process would; returns all that is compared."""
    keras.utils.set_random_seed(5)
    condition = conditions.Classes(3, dropout=0.2)
    parts = {"network": networks.Dense((8,)), "objective": "warmup", "corruption": "gaussian"}
    cvae = keras_cvae.build_cvae((6,), condition, 2, **parts)
    cvae.compile(keras.optimizers.Adam(rate))
    monitors = {"monitor": "val_elbo", "mode": "max"}
    log, draws = path.with_suffix(".csv"), Draws()
    others = [
        callbacks.Checkpoint(path, force=force),
        keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True, **monitors),
        keras.callbacks.ReduceLROnPlateau(patience=1, **monitors),
        keras.callbacks.CSVLogger(log),
        draws,
        Kill(kill),
    ]
    options = {"validation_data": ((X[:16], Y[:16]), None), **options}
    history = cvae.fit(*data, epochs=epochs, callbacks=others, verbose=0, **options)
    variables = [*cvae.variables, *cvae.optimizer.variables, *inside.generator_states(cvae)]
    values = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]
    counted = vars(others[1])["wait"], vars(others[1])["best"], vars(others[2])["best"]
    return values, history.history, history.epoch, counted, draws.drawn, log.read_bytes()


def assert_equal(one, other):
    for value, again in zip(one[0], other[0], strict=True):
        np.testing.assert_array_equal(value, again)
    assert one[1:] == other[1:]


@pytest.mark.parametrize(
    "kind",
    ["arrays", *(pytest.param(k, marks=pytest.mark.slow) for k in ("stream", "endless stream"))],
)
def test_killed_training_gives_the_result_of_uninterrupted_training(kind, tmp_path, monkeypatch):
    def go(name, **more):
        if kind == "arrays":
            return train(tmp_path / name, [X, Y], batch_size=16, **more)
        if kind == "stream":
            return train(tmp_path / name, Turning(1), validation_data=Turning(2), **more)
        return train(tmp_path / name, endless(1), steps_per_epoch=3, **more)

    expected = go("whole")
    assert len(expected[2]) > 3

    def killed(source, target, replace=os.replace):
        if len(saves := [*saves_of, target]) == 3:
            raise Killed
        saves_of[:] = saves
        replace(source, target)

    saves_of = []
    with monkeypatch.context() as patch:  # in the middle of the save after the second epoch
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            go("killed")
    assert (tmp_path / "killed.unfinished").exists()
    assert state_files.read(tmp_path / "killed")["epoch"] == 1
    with pytest.raises(Killed):
        go("killed", kill=3)
    assert_equal(go("killed"), expected)
    assert not (tmp_path / "killed.unfinished").exists()
    assert_equal(go("killed"), expected)  # where nothing is left to train


def test_a_stream_with_different_batches_raises_an_error(tmp_path):
    with pytest.raises(Killed):
        train(tmp_path / "file", Turning(1), kill=2)
    with pytest.raises(ValueError, match="`x` must be a stream that yields the same batches"):
        train(tmp_path / "file", Turning(2))


@pytest.mark.once
def test_the_error_lists_the_differences(tmp_path, monkeypatch):
    path = tmp_path / "new" / "file"
    with pytest.raises(Killed):
        train(path, [X, Y], kill=2, batch_size=16)
    monkeypatch.setattr(keras, "__version__", "9.9")
    with pytest.raises(ValueError, match="`force=True` resumes anyway") as error:
        train(path, [X + 0.0, (Y + 1) % 3], batch_size=24, rate=0.02, patience=4)
    parts = "data training data was", "fit batch_size was 16, is 24", "versions keras was 3"
    parts += ("EarlyStopping patience was 3, is 4", "learning_rate was 0.0", "is 0.0")
    message = str(error.value)
    assert [part for part in parts if part not in message] == []
    with pytest.warns(UserWarning, match=re.escape("batch_size was 16, is 24")):
        epochs = train(path, [X, Y], batch_size=24, rate=0.02, patience=4, force=True)[2]
    assert epochs == [*range(EPOCHS)]


@pytest.mark.slow
@pytest.mark.once
def test_finished_training_continues_for_more_epochs(tmp_path):
    train(tmp_path / "file", [X, Y], batch_size=16, epochs=2, patience=9)
    more = train(tmp_path / "file", [X, Y], batch_size=16, epochs=4, patience=9)
    assert_equal(more, train(tmp_path / "whole", [X, Y], batch_size=16, epochs=4, patience=9))


@pytest.mark.once
def test_an_invalid_file_raises_an_error(tmp_path):
    path = tmp_path / "file"
    state_files.write(path, {"epoch": 1, "values": [np.arange(3.0), np.float32(2), (None, "a")]})
    read = state_files.read(path)
    np.testing.assert_array_equal(read["values"][0], np.arange(3.0))
    assert read["values"][1:] == [np.float32(2), (None, "a")]
    whole = path.read_bytes()
    np.savez(tmp_path / "pickle.npz", np.array([print], dtype=object))
    for content in (b"", whole[:-30], whole.replace(b'"float64"', b'"object"'),
                    (tmp_path / "pickle.npz").read_bytes()):  # fmt: skip
        path.write_bytes(content)
        with pytest.raises(ValueError, match="file' must be a checkpoint"):
            state_files.read(path)


@pytest.mark.once
def test_a_damaged_state_raises_an_error(tmp_path):
    path = tmp_path / "file"
    with pytest.raises(Killed):
        train(path, [X, Y], kill=1, batch_size=16)
    state = state_files.read(path)
    version, words, gauss = state["generators"]["python"]
    generators = {**state["generators"], "python": (version, -words.astype("int64"), gauss)}
    damaged = [{**state, "generators": generators}, {**state, "epoch": "1"}]
    damaged += [{**state, "callbacks": [("EarlyStopping", 3)]}, {**state, "variables": None}]
    texts = [np.full(value.shape, "a", "S1") for value in state["variables"]]
    damaged += [{**state, "variables": texts}]
    damaged += [{name: each for name, each in state.items() if name != "settings"}]
    for each in damaged:
        state_files.write(path, each)
        with pytest.raises(ValueError, match="must contain the state of a training, undamaged"):
            train(path, [X, Y], batch_size=16)


@pytest.mark.once
def test_another_resuming_callback_or_fit_raises_an_error(tmp_path):
    checkpoint = callbacks.Checkpoint(tmp_path / "file")
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    cvae = keras_cvae.build_cvae((6,), None, 2, network=networks.Dense((8,)))
    cvae.compile("adam")
    with pytest.raises(ValueError, match="`callbacks` must have one callback that keeps"):
        cvae.fit(X, callbacks=[checkpoint, backup], verbose=0)
    cvae.fit(X, callbacks=[checkpoint], verbose=0)
    with pytest.raises(ValueError, match="`Checkpoint` must be a new one"):
        cvae.fit(X, callbacks=[checkpoint], verbose=0)
