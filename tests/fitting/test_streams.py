"""Streams: the same training as Keras's own on every kind of stream, batch by batch."""

import functools
import itertools
import threading
import time
import types

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks
from keras_cvae.fitting import fused, inside, programs, streams

BACKEND = keras.backend.backend()
fusing = pytest.mark.skipif(BACKEND not in programs.PROGRAMS, reason="there is no program of steps")

SIZES = {
    "partial last batch": [32] * 9 + [12],
    "whole batches": [30] * 10,
    "odd ones": [32, 32, 10, 32, 32, 32, 32, 40, 7, 32, 19],
    "another first one": [12, *[32] * 9],
    "less than a block": [150, 150],
}


def cut(arrays, sizes):
    """Batches of these sizes, in order."""
    ends = list(itertools.accumulate(sizes))
    return [
        tuple(a[end - size : end] for a in arrays) for end, size in zip(ends, sizes, strict=True)
    ]


class Batches(keras.utils.PyDataset):
    """Batches of a list; counts the epochs of which it is notified."""

    def __init__(self, batches, **options):
        super().__init__(**options)
        self.batches, self.begun, self.ended = batches, 0, 0

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, i):
        return self.batches[i]

    def on_epoch_begin(self):
        self.begun += 1

    def on_epoch_end(self):
        self.ended += 1


class Turning(Batches):
    """Batches that are in another order each epoch."""

    def on_epoch_end(self):
        super().on_epoch_end()
        self.batches = self.batches[1:] + self.batches[:1]


def tf_dataset(batches, known=True):
    tf = pytest.importorskip("tensorflow")
    signature = tuple(tf.TensorSpec((None, *a.shape[1:]), a.dtype) for a in batches[0])
    found = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=signature)
    cardinality = tf.data.experimental.assert_cardinality(len(batches))
    return found.apply(cardinality) if known else found


def torch_loader(batches):
    torch = pytest.importorskip("torch")
    tensors = [tuple(map(torch.tensor, batch)) for batch in batches]
    return torch.utils.data.DataLoader(tensors, batch_size=None)


def endless(batches):
    while True:
        yield from batches


KINDS = {
    "tf.data": lambda batches: {"x": tf_dataset(batches)},
    "tf.data of unknown length": lambda batches: {"x": tf_dataset(batches, known=False)},
    "PyDataset": lambda batches: {"x": Turning(batches)},
    "PyDataset of two threads": lambda batches: {"x": Turning(batches, workers=2)},
    "DataLoader": lambda batches: {"x": torch_loader(batches)},
    "generator": lambda batches: {"x": endless(batches), "steps_per_epoch": len(batches)},
}


@pytest.fixture(scope="module")
def again():
    """A CVAE, compiled once, and a function that makes it as new for so many steps a program."""
    keras.utils.set_random_seed(1)
    cvae = keras_cvae.build_cvae((6,), 3, 2, network=networks.Dense((8,)))
    cvae.compile(keras.optimizers.SGD(1e-2, momentum=0.9))
    cvae.optimizer.build(cvae.trainable_variables)
    variables = [*cvae.variables, *cvae.optimizer.variables]
    before = [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]

    def renew(steps=3):
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)
        cvae._programs.steps = steps
        return cvae

    return renew


@pytest.fixture(scope="module")
def data():
    """300 images, labels and weights."""
    rng = np.random.default_rng(0)
    parts = rng.random((300, 6), "float32"), rng.integers(0, 3, 300), rng.random(300, "float32")
    return parts


def assert_same(one, other, rtol=1e-4):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, err_msg=name)


def assert_trains_alike(again, given, steps=3, of_keras=None):
    """Trains by Keras's `fit` and by ours, on new data of a function; returns our history."""
    options = {"epochs": 3, "verbose": 0, "shuffle": False}
    model = again()
    theirs = keras.Model.fit(model, **(of_keras or given)(), **options).history
    weights = model.get_weights()
    ours = again(steps).fit(**given(), **options).history
    assert_same(ours, theirs)
    for mine, same in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(mine, same, rtol=1e-3, atol=1e-5)
    return ours


@pytest.mark.filterwarnings("ignore:Your input ran out")
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_stream_trains_as_in_keras(kind, again, data):
    batches = cut(data, SIZES["partial last batch"])
    assert_trains_alike(
        again, lambda: KINDS[kind](batches), of_keras=lambda: KINDS[exact(kind)](batches)
    )


def exact(kind):
    """What Keras reads without a draw of noise for a batch that is not there, on TensorFlow."""
    unknown = BACKEND == "tensorflow" and kind == "tf.data of unknown length"
    return "tf.data" if unknown else kind


@pytest.mark.parametrize(
    ("sizes", "steps"), [*((sizes, 3) for sizes in SIZES), ("odd ones", "auto")]
)
def test_batches_of_changing_sizes_give_the_same_steps(sizes, steps, again, data):
    batches = cut(data[:2], SIZES[sizes])
    assert_trains_alike(again, lambda: {"x": Batches(batches)}, steps)


@pytest.mark.usefixtures("by_xla")
def test_steps_compiled_by_xla_equal_those_of_keras(again, data):
    again().forget_programs()
    batches = cut(data[:2], SIZES["partial last batch"])
    assert_trains_alike(again, lambda: {"x": Batches(batches)})
    again().forget_programs()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Your input ran out")
@pytest.mark.parametrize("kind", KINDS)
def test_validation_and_evaluation_of_a_stream(kind, again, data):
    if BACKEND == "tensorflow" and kind == "generator":
        pytest.skip("Keras reads batches that it drops")
    train, test = cut(data, [32] * 9), cut(data, SIZES["odd ones"])

    def given(kind=kind):
        held_out = KINDS[kind](test)
        steps = held_out.get("steps_per_epoch")
        return {"x": Batches(train), "validation_data": held_out["x"], "validation_steps": steps}

    history = assert_trains_alike(again, given, of_keras=lambda: given(exact(kind)))
    assert len(history["val_loss"]) == 3
    held_out = KINDS[kind](test)
    steps = held_out.get("steps_per_epoch")
    found = again().evaluate(held_out["x"], steps=steps, verbose=0, return_dict=True)
    by_arrays = {"image": data[0], "label": data[1], "sample_weight": data[2]}
    expected = again().evaluate(by_arrays, verbose=0, return_dict=True, draws=200)
    assert found["loss"] == pytest.approx(expected["loss"], rel=0.05)


def test_arrays_can_be_validated_by_streams_and_streams_by_arrays(again, data):
    train, test = cut(data[:2], [32] * 9), cut(data[:2], [50] * 2)
    x, y = (part[:100] for part in data[:2])
    held_out = {"validation_batch_size": 50, "validation_data": ([x, y], None)}
    arrays = again().fit(Batches(train), verbose=0, shuffle=False, **held_out).history
    stream = (
        again().fit(Batches(train), verbose=0, shuffle=False, validation_data=Batches(test)).history
    )
    assert_same(arrays, stream)
    given = {"batch_size": 50, "verbose": 0, "shuffle": False}
    both = again().fit([x, y], validation_data=Batches(test), **given).history
    assert_same(both, again().fit([x, y], validation_data=([x, y], None), **given).history)


@pytest.mark.filterwarnings("ignore:Your input ran out")
@pytest.mark.parametrize("kind", ["tf.data", "tf.data of unknown length", "generator"])
@pytest.mark.parametrize("steps_per_epoch", [3, 4])
def test_an_epoch_continues_the_stream_after_the_last_one(kind, steps_per_epoch, again, data):
    """Ten batches are not enough for three epochs of four: Keras ends the third early."""
    batches = cut(data[:2], SIZES["whole batches"])
    assert_trains_alike(again, lambda: KINDS[kind](batches) | {"steps_per_epoch": steps_per_epoch})


@pytest.mark.parametrize("known", [True, False])
def test_a_stream_that_ends_early_warns(known, again, data):
    batches = cut(data[:2], SIZES["whole batches"])
    given = {"epochs": 3, "steps_per_epoch": 4, "verbose": 0, "shuffle": False}
    model = again()
    for fit in (functools.partial(keras.Model.fit, model), model.fit):
        again()
        with pytest.warns(UserWarning, match="Your input ran out of data"):
            fit(tf_dataset(batches, known), **given)
    if BACKEND in programs.PROGRAMS:
        assert int(model.optimizer.iterations) == 10


def test_no_batch_of_another_epoch_is_read(tiny, rows):
    def counted():
        for number in itertools.count(1):
            read.append(number)
            yield (rows[:32],)

    read, stream = [], counted()
    model = tiny(steps_per_execution=4)
    for epochs in (2, 1):
        model.fit(stream, steps_per_epoch=6, epochs=epochs, verbose=0, shuffle=False)
        assert len(read) == 6 * epochs + (0 if epochs == 2 else 12)


def test_a_dataset_is_notified_of_epochs_as_by_keras(again, data):
    batches = cut(data[:2], SIZES["whole batches"])
    ours, theirs = Turning(batches), Turning(batches)
    given = {"epochs": 3, "verbose": 0, "shuffle": False}
    history = again().fit(ours, **given).history
    assert_same(history, keras.Model.fit(again(), theirs, **given).history)
    assert (ours.begun, ours.ended) == (theirs.begun, theirs.ended)
    assert ours.begun == 3


def drive(stream, steps, on_block):
    """Calls for every batch as Keras does; returns blocks, and first and last batches."""
    model = types.SimpleNamespace(batch_checker=lambda: lambda batch: batch)
    fed = streams.Streams(model, inside.adapter(stream), steps)
    feed, found = fed.fit_arguments()["x"], []

    def program(iterator):
        ((rows, block),) = iterator
        (block,) = keras.tree.map_structure(keras.ops.convert_to_numpy, block)
        found.append(list(block[: int(rows)]))
        on_block(fed, found)
        return {"loss": keras.ops.zeros(())}

    feed.on_epoch_begin()
    iter(feed)
    run, told = fed.function(lambda size: program), []
    with pytest.raises(StopIteration):
        for batch in itertools.count():
            told.append((fed.first_batch(batch), run(None) and fed.last_batch(batch)))
    fed.close()
    return found, told


def test_blocks_contain_the_batches_in_order():
    batches = cut([np.arange(300)], SIZES["odd ones"])
    found, told = drive((batch for batch in batches), 3, lambda *_: None)
    assert [len(block) for block in found] == [64, 10, 96, 32, 40, 7, 32, 19]
    assert list(np.concatenate(found)) == list(range(300))
    firsts = [first for first, _ in told if first is not None]
    lasts = [last for _, last in told if last is not None]
    assert firsts == [0, 2, 3, 6, 7, 8, 9, 10]
    assert lasts == [1, 2, 5, 6, 7, 8, 9, 10]


def test_at_most_two_blocks_are_read_ahead():
    """While the n-th block of 3 is in use, 3 (n + 2) batches come to be read."""

    def counted():
        for number in range(30):
            read.append(number)
            yield (np.zeros((4, 2), "float32"),)

    def look(fed, found):
        expected = min(3 * (len(found) + 2), 30)
        deadline = time.monotonic() + 10
        while len(read) < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.05)
        assert len(read) == expected

    read = []
    stream = counted()
    found, _ = drive(stream, 3, look)
    assert len(found) == 10


class Spoiled(Exception):
    """Raised in a stream."""


def fails(batches, number, error=None):
    """These batches; in place of one an error, or one with a NaN."""
    for i, (x, y) in enumerate(batches, 1):
        if i == number and error is not None:
            raise error
        yield (np.full_like(x, np.nan) if i == number else x), y


@fusing
def test_nothing_is_lost_by_an_error(again, data):
    """Keras takes the variables away on JAX, and gives them back only where steps have run."""
    model = again()
    weights = model.get_weights()
    batches = cut(data[:2], SIZES["whole batches"])
    fit = functools.partial(fused.FusedModel.fit, model, shuffle=False)  # the first batch unseen
    evaluate = functools.partial(fused.FusedModel.evaluate, model)
    for use, number in ((fit, 1), (evaluate, 1), (evaluate, 7)):
        with pytest.raises(ValueError, match=f"^Batch {number} of"):
            use(Batches([*fails(batches, number)]), verbose=0)
    for ours, before in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, before)
    assert np.isfinite(model.evaluate([*data[:2]], verbose=0)).all()


def test_an_error_keeps_the_steps_that_keras_has_taken(data, again, monkeypatch):
    monkeypatch.setattr(fused.inside, "may_fuse", lambda model: False)  # as in a later Keras
    model = again(1)
    before, taken = model.get_weights(), int(model.optimizer.iterations)
    with pytest.raises(ValueError, match="^Batch 6"):
        model.fit(fails(cut(data[:2], [30] * 10), 6), steps_per_epoch=10, verbose=0)
    assert int(model.optimizer.iterations) > taken
    after = model.get_weights()
    assert any((one != other).any() for one, other in zip(after, before, strict=True))


def is_reading():
    return any(thread.name == "reader of a stream" for thread in threading.enumerate())


@fusing
@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("kind", [None, Spoiled, ValueError, KeyError])
def test_an_error_is_raised_after_the_steps_before_it(kind, steps, again, data):
    batches, model = cut(data[:2], SIZES["whole batches"]), again(steps)
    # Made here: an error that is raised holds on to the model, by its traceback.
    error, message = kind and kind("disk"), "disk"
    if kind is None:
        kind, message = ValueError, "^Batch 6 of epoch 1: `x` must be finite. Received"
    with pytest.raises(kind, match=message):
        model.fit(fails(batches, 6, error), steps_per_epoch=10, verbose=0, shuffle=False)
    assert int(model.optimizer.iterations) == 5
    assert not is_reading()
    assert model.fit(Batches(batches), verbose=0).history["loss"]


BAD = {
    "pixels": (lambda x, y: (x * 255, y), "`x` must be in"),
    "labels": (lambda x, y: (x, y + 7), "`y` must be in -1..2"),
    "shape": (lambda x, y: (x[:, :5], y), "`x` must have the shape"),
    "count": (lambda x, y: (x, y[:-1]), "`y` must be 30 integers"),
    "parts": (lambda x, y: (x,), r"This model takes \[images, label\]"),
    "weights": (lambda x, y: (x, y, -np.ones(30)), "`sample_weight` must be finite"),
}


@fusing
@pytest.mark.parametrize("what", BAD)
def test_an_invalid_later_batch_raises_an_error_with_its_number(what, again, data):
    class Decaying(Batches):
        def on_epoch_end(self):
            super().on_epoch_end()
            if self.ended == 2:  # once before the first epoch, once after it
                self.batches[2] = BAD[what][0](*self.batches[2])

    batches = cut(data[:2], SIZES["whole batches"])
    model, message = again(), BAD[what][1]
    with pytest.raises(ValueError, match=f"^Batch 3 of epoch 2: {message}.*Received"):
        model.fit(Decaying([*batches]), epochs=3, verbose=0, shuffle=False)
    assert int(model.optimizer.iterations) == 12
    batches[4] = BAD[what][0](*batches[4])
    with pytest.raises(ValueError, match=f"^Batch 5 of the data to evaluate: {message}"):
        model.evaluate((batch for batch in batches), verbose=0)
    with pytest.raises(ValueError, match=f"of the data to evaluate: {message}"):
        model.fit(Batches(batches[:2]), validation_data=Batches(batches), verbose=0)


@pytest.fixture(scope="module")
def unfused():
    """A CVAE whose steps Keras itself takes, one at a time."""
    cvae = keras_cvae.build_cvae((6,), 3, 2, network=networks.Dense((8,)))
    cvae.compile("adam", run_eagerly=True)
    return cvae


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:Your input ran out")
def test_each_batch_is_checked_if_keras_takes_the_steps(kind, unfused, data):
    x, y, _ = data
    batches = cut((x[:60], np.eye(3, dtype="float32")[y[:60]]), [30] * 2)
    history = unfused.fit(**KINDS[kind](batches), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    batches[1] = batches[1][0], 0.8 * batches[1][1] + 0.05
    message = "`y` of shape .* must be one-hot"
    with pytest.raises(ValueError, match=f"^Batch [12]: {message}.*Received"):
        unfused.fit(**KINDS[kind](batches), verbose=0, shuffle=False)
    if kind == "PyDataset":
        for use in (
            lambda: unfused.evaluate(Batches(batches), verbose=0),
            lambda: unfused.predict(Batches(batches), verbose=0),
            lambda: unfused.fit(x[:8], y[:8], validation_data=Batches(batches), verbose=0),
        ):
            with pytest.raises(ValueError, match=f"^Batch 2: {message}"):
                use()


def test_a_different_target_in_a_later_batch_raises_an_error(unfused, data):
    x, y, _ = data
    batches = [((x[:30], y[:30]), x[:30]), ((x[30:60], y[30:60]), 1 - x[30:60])]
    with pytest.raises(ValueError, match="^Batch 2: `y` beside complete inputs must be the images"):
        unfused.fit(Batches(batches), verbose=0, shuffle=False)


class Recorder(keras.callbacks.Callback):
    """Records the batches that it is called for."""

    def __init__(self):
        super().__init__()
        self.begun, self.ended, self.tested = [], [], []

    def on_train_batch_begin(self, batch, logs=None):
        self.begun.append(batch)

    def on_train_batch_end(self, batch, logs=None):
        assert logs["loss"] > 0
        self.ended.append(batch)

    def on_test_batch_end(self, batch, logs=None):
        self.tested.append(batch)


@fusing
def test_callbacks_are_called_for_batches(tiny, rows):
    batches, told = cut([rows], SIZES["partial last batch"]), Recorder()
    given = {"epochs": 2, "callbacks": [told], "verbose": 0, "shuffle": False}
    held_out = {"validation_data": Batches(batches[:3])}
    tiny(steps_per_execution=4).fit(Batches(batches), **given, **held_out)
    assert told.begun == [0, 4, 8, 9] * 2
    assert told.ended == [3, 7, 8, 9] * 2
    assert told.tested == [2, 2]
    told.__init__()
    tiny().fit(Batches(batches), **given, **held_out)
    assert told.begun == told.ended == [*range(10)] * 2 and told.tested == [0, 1, 2] * 2
    assert told.params["steps"] == 10


@fusing
def test_training_may_be_stopped_in_the_middle(tiny, rows):
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.stop_training = batch == 4

    model = tiny()
    model.fit(
        endless([(rows[:32],)]), steps_per_epoch=10, callbacks=[Stop()], shuffle=False, verbose=0
    )
    assert int(model.optimizer.iterations) == 5
    assert not is_reading()


@fusing
def test_progress_counts_batches(capsys, tiny, rows):
    tiny(steps_per_execution=4).fit(Batches(cut([rows], [30] * 10)), verbose=1)
    assert "10/10" in capsys.readouterr().out


@fusing
def test_a_second_call_compiles_nothing(tiny, rows):
    model, batches = tiny(), cut([rows], SIZES["partial last batch"])
    for _ in range(2):
        model.fit(Batches(batches), validation_data=Batches(batches), verbose=0)
        traces, model.traces[:] = len(model.traces), []
    assert traces == 0


@fusing
def test_evaluate_of_a_stream_within_fit(tiny, rows):
    class Use(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.found = self.model.evaluate(Batches(batches), verbose=0)

    batches, use = cut([rows], SIZES["odd ones"]), Use()
    model = tiny(steps_per_execution=3)
    model.fit(Batches(batches), callbacks=[use], epochs=2, verbose=0)
    assert use.found == pytest.approx(model.evaluate(rows, verbose=0), rel=1e-5)
    assert int(model.optimizer.iterations) == 22


@fusing
def test_steps_per_epoch_is_a_limit(tiny, rows):
    keras.config.set_max_steps_per_epoch(5)
    try:
        model = tiny(steps_per_execution=3)
        with pytest.warns(UserWarning, match="Limiting steps"):
            model.fit(Batches(cut([rows], [30] * 10)), verbose=0)
    finally:
        keras.config.set_max_steps_per_epoch(None)
    assert int(model.optimizer.iterations) == 5


def test_the_choice_of_steps():
    for rows, count, known, sizes in [
        (10, 250, True, [10 * 125] * 2),  # blocks alike in size
        (10, 250, False, [10 * 209, 10 * 41]),
        (10, 9, True, [90]),
        (3000, 3, True, [3000] * 3),
    ]:
        batches = [(np.zeros((rows, 2000), "float32"),)] * count
        stream = Batches(batches) if known else (batch for batch in batches)
        assert [*map(len, drive(stream, "auto", lambda *_: None)[0])] == sizes


@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies are TensorFlow's")
def test_keras_takes_the_steps_under_a_strategy_of_tensorflow(rows, tiny):
    import tensorflow as tf

    with tf.distribute.OneDeviceStrategy("cpu").scope():
        model = tiny()
        assert not inside.may_count(model)
        model.fit(tf.data.Dataset.from_tensor_slices((rows,)).batch(32), verbose=0)
    assert not model._programs._compiled and int(model.optimizer.iterations) == 10


@pytest.mark.skipif(BACKEND != "tensorflow", reason="strategies are TensorFlow's")
def test_batches_of_a_strategy_of_tensorflow_are_checked_too(data):
    import tensorflow as tf

    x, y, _ = data
    with tf.distribute.OneDeviceStrategy("cpu").scope():
        cvae = keras_cvae.build_cvae((6,), 3, 2, network=networks.Dense((4,)))
        cvae.compile("adam")
    one_hot = np.eye(3, dtype="float32")[y]
    cvae.fit(tf.data.Dataset.from_tensor_slices((x, one_hot)).batch(100), verbose=0)
    one_hot[250] = 1 / 3
    with pytest.raises(ValueError, match="^Batch 3: `y` of shape"):
        cvae.fit(tf.data.Dataset.from_tensor_slices((x, one_hot)).batch(100), verbose=0)


@pytest.mark.parametrize("kind", ["map", "iter"])
def test_data_sets_of_grain_end(kind):
    grain = pytest.importorskip("grain")
    rows = grain.MapDataset.range(12).map(lambda i: (np.full(6, i / 12, "float32"), i % 3))
    batches = rows.batch(4)
    batches = batches if kind == "map" else batches.to_iter_dataset()
    cvae = keras_cvae.build_cvae((6,), 3, 2, network=networks.Dense((4,)))
    cvae.compile("adam")
    cvae.fit(batches, epochs=2, verbose=0)
    assert keras.ops.convert_to_numpy(cvae.optimizer.iterations) == 6
