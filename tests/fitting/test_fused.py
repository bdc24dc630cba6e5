"""Fused steps: the same training as one step at a time, by way of Keras's own `fit`."""

import gc
import inspect
import weakref

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae.fitting import blocks

BACKEND = keras.backend.backend()
fusing = pytest.mark.skipif(BACKEND == "torch", reason="torch runs each step alone")


def build(network="dense", **options):
    keras.utils.set_random_seed(3)
    if network == "dense":
        options.setdefault("hidden_units", (16,))
    else:
        options.setdefault("filters", (4, 8))
    return keras_cvae.build_cvae((8, 8, 1), 10, 3, network=network, label_dropout=0.2, **options)


def images(count=384):
    x, y, *_ = keras_cvae.datasets.load("digits")
    return x[:count], y[:count]


def history(model, steps, optimizer=None, data=None, train=320, **options):
    """Trains on ten batches of 32, the last of which is whole or partial, and tests on the rest."""
    x, y = data or images()
    model.compile(optimizer or keras.optimizers.Adam(1e-3), steps_per_execution=steps)
    options = {"epochs": 3, "verbose": 0, **options}
    held_out = x[train:], y[train:]
    return model.fit([x[:train], y[:train]], validation_data=held_out, **options).history


def assert_same(one, other, rtol=1e-4):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, err_msg=name)


MODELS = {
    "dense": lambda: build(),
    "conv": lambda: build("conv", binarize="threshold"),
    "noise in every layer": lambda: build(binarize="dynamic", estimator="monte_carlo"),
    "inferred labels": lambda: keras_cvae.build_cvae(
        (8, 8, 1), 10, 3, infer_label=True, hidden_units=(16,)
    ),
}


@fusing
@pytest.mark.parametrize("name", MODELS)
def test_fused_steps_train_as_single_ones(name):
    results, weights = [], []
    for steps in (1, 4):
        keras.utils.set_random_seed(3)
        model = MODELS[name]()
        results.append(history(model, steps, train=300))
        weights.append(model.get_weights())
    assert_same(*results)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-4)


OPTIMIZERS = {
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.5)
    ),
    "moving averages": lambda: keras.optimizers.Adam(
        1e-2, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7
    ),
    "accumulated gradients": lambda: keras.optimizers.SGD(1e-4, gradient_accumulation_steps=3),
    "clipping and decay": lambda: keras.optimizers.AdamW(1e-2, clipnorm=1.0, weight_decay=0.1),
}


@fusing
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_feature_survives(name):
    one, other = (history(build(), steps, OPTIMIZERS[name]()) for steps in (1, "auto"))
    assert_same(one, other)


@fusing
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        one, other = (history(build(), steps) for steps in (1, "auto"))
    finally:
        keras.config.set_dtype_policy("float32")
    # Products of bfloat16 are rounded elsewhere by each compiler: eight bits.
    assert_same(one, other, rtol=2e-2)
    assert other["loss"][-1] < other["loss"][0]


class Batches(keras.callbacks.Callback):
    """Notes what it is told, and the number of steps taken by then."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def on_train_batch_begin(self, batch, logs=None):
        self.seen.append(("begin", batch))

    def on_train_batch_end(self, batch, logs=None):
        self.seen.append(("end", batch, int(self.model.optimizer.iterations)))

    def on_test_batch_end(self, batch, logs=None):
        self.seen.append(("test", batch))


@fusing
def test_callbacks_are_told_of_batches_not_of_blocks():
    callback = Batches()
    history(build(), 4, train=300, epochs=1, callbacks=[callback])
    ends = [(3, 4), (7, 8), (9, 10)]  # 300 examples: ten batches of 32, the last of 12
    assert [event[1] for event in callback.seen if event[0] == "begin"] == [0, 4, 8]
    assert [event[1] for event in callback.seen if event[0] == "end"] == [last for last, _ in ends]
    if BACKEND == "tensorflow":  # JAX hands variables back at the end of the epoch
        assert [event[1:] for event in callback.seen if event[0] == "end"] == ends
    assert [event[1] for event in callback.seen if event[0] == "test"] == [2]
    assert callback.params["steps"] == 10 and callback.params["epochs"] == 1


def test_a_callback_that_looks_at_batches_is_told_of_each():
    callback = Batches()
    history(build(), "auto", epochs=1, callbacks=[callback])
    assert [event[1] for event in callback.seen if event[0] == "end"] == list(range(10))


def test_which_callbacks_look_at_batches(tmp_path):
    path = str(tmp_path / "model.keras")
    between_epochs = [
        keras.callbacks.EarlyStopping(),
        keras.callbacks.CSVLogger(str(tmp_path / "log.csv")),
        keras.callbacks.ModelCheckpoint(path),
        keras.callbacks.BackupAndRestore(str(tmp_path)),
        keras.callbacks.TerminateOnNaN(),
        keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: None),
    ]
    assert not any(map(blocks.sees_batches, between_epochs))
    assert blocks.sees_batches(Batches())
    assert blocks.sees_batches(keras.callbacks.ModelCheckpoint(path, save_freq=5))
    assert blocks.sees_batches(
        keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: None)
    )


@fusing
def test_progress_counts_examples_and_batches(capsys):
    history(build(), 4, epochs=1, verbose=1)
    shown = capsys.readouterr().out
    assert "10/10" in shown and "3/3" not in shown


def test_the_choice_of_steps():
    small, large = np.zeros((60_000, 28, 28, 1), "uint8"), np.zeros((100, 512, 512, 3), "uint8")
    assert 10 <= blocks.Blocks((small,), 100).steps <= 200
    assert blocks.Blocks((large,), 32).steps == 1
    assert blocks.Blocks((small,), 100).batches % blocks.Blocks((small,), 100).steps == 0
    assert blocks.Blocks((small[:50],), 32).steps == 2
    assert blocks.Blocks((small,), 100, steps=7).steps == 7


@pytest.mark.parametrize("steps", [0, -1, 2.5, "fast", None])
def test_bad_steps_are_refused(steps):
    with pytest.raises(ValueError, match="`steps_per_execution` must be.*Received"):
        build().compile("adam", steps_per_execution=steps)


@fusing
def test_shuffle_and_initial_epoch():
    shuffled, in_order, same = (
        history(build(), "auto", shuffle=shuffle) for shuffle in (True, False, True)
    )
    assert shuffled == same
    assert shuffled["loss"] != in_order["loss"]
    x, y = images()
    model = build()
    model.compile("adam")
    given = {"epochs": 3, "shuffle": False, "validation_data": (x[320:], y[320:]), "verbose": 0}
    assert_same(in_order, keras.Model.fit(model, [x[:320], y[:320]], **given).history)
    assert len(history(build(), "auto", initial_epoch=2)["loss"]) == 1


@fusing
def test_validation_split_is_that_of_keras():
    x, y = images(320)
    results = []
    for steps in (1, 4):
        model = build()
        model.compile("adam", steps_per_execution=steps)
        results.append(model.fit([x, y], validation_split=0.2, epochs=2, verbose=0).history)
    assert_same(*results)
    with pytest.raises(ValueError, match="validation_split"):
        model.fit([x, y], validation_split=0.999, verbose=0)


@fusing
def test_memory_mapped_arrays_are_read_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "MEMORY_BYTES", 0)
    x, y = images()
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (history(build(), steps, data=(mapped, y)) for steps in (1, 4))
    assert_same(one, other)
    assert other["loss"][-1] < other["loss"][0]
    np.testing.assert_array_equal(mapped, x)


@fusing
@pytest.mark.parametrize("steps", [1, 3])
def test_each_row_is_read_once_an_epoch(steps):
    fed = blocks.Blocks((np.arange(35)[:, None],), 4, steps, shuffle=True)
    sizes = {1: [4] * 8 + [3], 3: [12, 12, 11]}[steps]
    feed = fed.feed()
    if BACKEND == "tensorflow":
        stream = feed["x"].as_numpy_iterator()
        assert feed["steps"] == len(sizes)
    orders = []
    for _ in range(2):
        if BACKEND == "tensorflow":
            read = [next(stream) for _ in sizes]
        else:
            feed["x"].on_epoch_end()
            read = [feed["x"][i] for i in range(len(feed["x"]))]
        if steps == 1:
            rows = [block[0] for block in read]
        else:
            assert all(len(block[0]) == 12 for _, block in read)  # one shape
            rows = [block[0][:count] for count, block in read]
        assert [len(part) for part in rows] == sizes
        orders.append(np.concatenate(rows)[:, 0])
        assert sorted(orders[-1]) == list(range(35))
    assert list(orders[0]) != list(orders[1])


@fusing
@pytest.mark.parametrize("steps", [1, "auto"])
def test_arrays_are_let_go_after_training(steps):
    x, y = images()
    x, y = x.copy(), y.copy()
    held = weakref.ref(x)
    model = build()
    history(model, steps, data=(x, y), epochs=1)
    model.evaluate(x, y, verbose=0)
    del x, y
    gc.collect()
    assert held() is None


def test_batches_of_blocks():
    fed = blocks.Blocks((np.arange(35)[:, None],), 4, 3)
    assert [(fed.first_batch(i), fed.last_batch(i)) for i in range(3)] == [(0, 2), (3, 5), (6, 8)]


@fusing
def test_evaluate_is_the_same_fused_and_within_fit():
    x, y = images()

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pairs = ((x[i : i + 64], y[i : i + 64]) for i in range(0, 384, 64))
            self.streamed = self.model.evaluate(pairs, verbose=0, return_dict=True)
            self.arrays = self.model.evaluate(x, y, verbose=0, return_dict=True)

    callback, model = Evaluate(), build()
    results = history(model, 4, callbacks=[callback])
    assert len(results["val_loss"]) == 3
    for found in (callback.streamed, model.evaluate(x, y, verbose=0, return_dict=True)):
        for name, value in callback.arrays.items():
            assert found[name] == pytest.approx(value, rel=0.02)  # another draw of the noise
    streamed = model.fit(((x[:32], y[:32]) for _ in range(3)), verbose=0).history
    assert set(streamed) == {"loss", "kl", "reconstruction"}


@fusing
def test_a_weight_that_a_callback_sets_is_seen():
    class WarmUp(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("kl").beta.assign(float(epoch))

    h = history(build(), "auto", callbacks=[WarmUp()])
    for epoch in range(3):
        expected = h["reconstruction"][epoch] + epoch * h["kl"][epoch]
        assert h["loss"][epoch] == pytest.approx(expected, rel=1e-5)


def test_a_saved_model_is_compiled_as_it_was(tmp_path):
    model = build()
    for steps in ("auto", 1, 6):
        history(model, steps, epochs=1)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        config = loaded.get_compile_config()
        assert (config["steps_per_execution"], config["jit_compile"]) == (steps, "auto")
        assert int(loaded.optimizer.iterations) == 10
        x, y = images(64)
        loaded.fit(x, y, verbose=0)
        assert int(loaded.optimizer.iterations) == 12


def test_an_interrupted_fit_can_go_on():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    model = build()
    with pytest.raises(KeyboardInterrupt):
        history(model, "auto", callbacks=[Interrupt()])
    assert int(model.optimizer.iterations) == 10
    x, y = images(64)
    assert model.fit(x, y, verbose=0).history["loss"]


def test_the_signatures_of_keras_are_what_is_expected():
    fit = inspect.signature(keras.Model.fit).parameters
    assert {"validation_split", "validation_batch_size", "steps_per_epoch", "shuffle"} <= set(fit)
