"""Callbacks under fused steps: who looks at batches is shown every one of them."""

import keras
import numpy as np
import pytest

from keras_cvae.fitting.callbacks import looks_at_batches

BACKEND = keras.backend.backend()


class Trained(keras.callbacks.Callback):
    """Records the training batches that it is called for."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        self.ended.append(batch)


class Tester(keras.callbacks.Callback):
    """Records the batches of validation and `evaluate` that it is called for."""

    def __init__(self):
        super().__init__()
        self.ended = []

    def on_test_batch_end(self, batch, logs=None):
        self.ended.append(batch)


def test_callbacks_are_called_for_batches_not_for_blocks(tiny, rows):
    train, test, model = Trained(), Tester(), tiny(steps_per_execution=4)
    model.fit(rows, validation_data=(rows[:100], None), callbacks=[train, test], verbose=0)
    assert (train.begun, train.ended, test.ended) == ([0, 4, 8], [3, 7, 9], [3])
    assert train.params["steps"] == 10 and train.params["epochs"] == 1


@pytest.mark.parametrize("shuffle", [False, True])
def test_training_and_validation_decide_separately_on_blocks(shuffle, tiny, rows):
    train, test, model = Trained(), Tester(), tiny()
    given = {"validation_data": (rows[:100], None), "verbose": 0, "shuffle": shuffle}
    model.fit(rows, callbacks=[train], **given)
    assert train.ended == list(range(10))
    assert len(model._programs._compiled) == 1  # that of validation
    model.fit(rows, callbacks=[test], **given)
    assert test.ended == [0, 1, 2, 3]
    assert len(model._programs._compiled) == 2
    model.evaluate(rows, callbacks=[test], verbose=0)
    assert test.ended[4:] == list(range(10))


def test_training_stops_at_the_batch_that_is_not_finite(tiny, rows):
    rows = rows.copy()
    rows[3 * 32] = np.nan
    stop, model = keras.callbacks.TerminateOnNaN(), tiny()
    model.fit(rows, callbacks=[stop], shuffle=False, verbose=0)
    assert int(model.optimizer.iterations) == 4


def test_which_callbacks_look_at_batches(tmp_path):
    path, folder = str(tmp_path / "model.keras"), str(tmp_path)
    between_epochs = [
        keras.callbacks.EarlyStopping(),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.History(),
        keras.callbacks.ProgbarLogger(),
        keras.callbacks.ModelCheckpoint(path),
        keras.callbacks.BackupAndRestore(folder),
        keras.callbacks.TensorBoard(folder),
        keras.callbacks.ReduceLROnPlateau(),
        keras.callbacks.SwapEMAWeights(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
        type("Own", (keras.callbacks.ModelCheckpoint,), {"on_epoch_end": print})(path),
    ]
    for kind in ("train", "test"):
        assert not any(looks_at_batches(callback, kind) for callback in between_epochs)

    plain = keras.callbacks.Callback()
    plain.on_test_batch_begin = lambda batch, logs=None: None
    logger = keras.callbacks.TensorBoard(folder)
    logger._should_trace = True  # what `profile_batch=2` makes it
    for callback, train, test in [
        (Trained(), True, False),
        (type("Derived", (Trained,), {})(), True, False),
        (Tester(), False, True),
        (plain, False, True),
        (keras.callbacks.TerminateOnNaN(), True, False),
        (keras.callbacks.ModelCheckpoint(path, save_freq=5), True, False),
        (keras.callbacks.BackupAndRestore(folder, save_freq=5), True, False),
        (keras.callbacks.TensorBoard(folder, update_freq=5), True, True),
        (logger, True, False),
        (keras.callbacks.LambdaCallback(on_train_batch_end=print), True, False),
        (keras.callbacks.LambdaCallback(on_batch_begin=print), True, False),
        (type("Own", (keras.callbacks.History,), {"on_batch_end": print})(), True, False),
    ]:
        assert (looks_at_batches(callback, "train"), looks_at_batches(callback, "test")) == (
            train,
            test,
        ), callback


@pytest.mark.skipif(BACKEND != "tensorflow", reason="profiles TensorFlow")
def test_a_profile_of_batches_is_written(tmp_path, tiny, rows):
    logger = keras.callbacks.TensorBoard(str(tmp_path), profile_batch=(2, 3))
    tiny().fit(rows, callbacks=[logger], verbose=0)
    assert list(tmp_path.glob("**/plugins/profile/*/*"))


def test_progress_counts_batches(capsys, tiny, rows):
    tiny(steps_per_execution=4).fit(rows, verbose=1)
    shown = capsys.readouterr().out
    assert "10/10" in shown and "3/3" not in shown


def test_a_weight_set_by_a_callback_is_used(tiny, rows):
    def reset(epoch, logs):
        model.get_layer("dense").set_weights([np.zeros((16, 3)), np.zeros(3)])

    model = tiny(optimizer=keras.optimizers.SGD(0.0))
    callback = keras.callbacks.LambdaCallback(on_epoch_begin=reset)
    found = model.fit(rows, epochs=2, callbacks=[callback], verbose=0).history["loss"]
    np.testing.assert_allclose(found, 1.0, rtol=1e-6)
