"""Fused steps: the same training as one step at a time, by way of Keras's own `fit`."""

import contextlib
import functools
import gc
import weakref

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, likelihoods, networks, objectives

BACKEND = keras.backend.backend()


def history(model, x, **options):
    """Trains with the last 44 rows held out: a whole batch of 32 and a partial one of 12."""
    keras.utils.set_random_seed(3)
    options = {"epochs": 2, "verbose": 0, "validation_data": (x[256:], None), **options}
    return model.fit(x[: options.pop("train", 250)], **options).history


def assert_same(one, other, rtol=1e-4):
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=rtol, err_msg=name)


MODELS = {
    "dense": lambda: [],
    "batch statistics": lambda: [keras.layers.BatchNormalization()],
    "convolution": lambda: [keras.layers.Conv2D(2, 3, padding="same")],
    "no XLA": lambda: [keras.layers.RandomRotation(0.1, seed=1)],
    "nor this": lambda: [keras.layers.RandomZoom(0.1, seed=1)],
}


@pytest.mark.usefixtures("by_xla")
@pytest.mark.parametrize("name", MODELS)
def test_fused_steps_equal_single_steps(name, tiny, rows):
    results, weights = [], []
    for steps in (1, 3):
        keras.utils.set_random_seed(3)
        model = tiny(*MODELS[name](), steps_per_execution=steps)
        results.append(history(model, rows))
        weights.append(model.get_weights())
    assert_same(*results, rtol=1e-3)
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-2, atol=1e-4)


DENSE = networks.Dense((8,))
CVAES = {
    "dropped labels": {"condition": conditions.Classes(10, dropout=0.2), "network": DENSE},
    "thresholded, convolutional": {"network": networks.Conv((4, 8)), "binarize": "threshold"},
    "noise everywhere": {
        "condition": conditions.Inferred(10, weight=3.0),
        "network": DENSE,
        "binarize": "dynamic",
        "objective": objectives.IWAE(3, gradient="dreg"),
        "prior": "conditional",
    },
    "two groups": {
        "condition": conditions.Attributes(digit=10, weight=conditions.Vector(1, dropout=0.5)),
        "network": networks.Hierarchical(DENSE, hidden_units=(8,)),
        "likelihood": likelihoods.LogisticMixture(2),
    },
}


@pytest.mark.parametrize(
    "name",
    [
        name if name == "noise everywhere" else pytest.param(name, marks=pytest.mark.slow)
        for name in CVAES
    ],
)
def test_a_cvae_trains_as_with_single_steps(name, digits, eagerly, request):
    if name == "dropped labels":
        request.getfixturevalue("by_xla")
    x, y, *_ = digits
    results = []
    for steps in (1, "auto"):
        keras.utils.set_random_seed(3)
        model = keras_cvae.build_cvae(
            (8, 8, 1), **{"condition": 10, "latent_dim": 3, **CVAES[name]}
        )
        model.compile("adam", steps_per_execution=steps)
        values = {"label": y, "digit": y, "weight": x.mean((1, 2, 3))}
        data = {"image": x, **{k: values[k] for k in model.input_names[1:]}, "sample_weight": 1 + y}
        train, test = ({k: v[rows] for k, v in data.items()} for rows in SPLIT)
        with eagerly() if steps == 1 else contextlib.nullcontext():
            fit = model.fit(train, epochs=2, verbose=0, validation_data=(test, None))
        results.append(fit.history)
    assert_same(*results)


SPLIT = slice(0, 140), slice(140, 172)


OPTIMIZERS = {
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.5)
    ),
    "moving averages": lambda: keras.optimizers.Adam(
        1e-2, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7
    ),
    "accumulated gradients": lambda: keras.optimizers.SGD(1e-2, gradient_accumulation_steps=3),
    "clipping and decay": lambda: keras.optimizers.AdamW(1e-2, clipnorm=1.0, weight_decay=0.1),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_feature_survives(name, tiny, rows):
    models = (tiny(optimizer=OPTIMIZERS[name](), steps_per_execution=s) for s in (1, "auto"))
    assert_same(*(history(model, rows) for model in models))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy, tiny, rows):
    keras.config.set_dtype_policy(policy)
    try:
        one, other = (history(tiny(steps_per_execution=steps), rows) for steps in (1, "auto"))
    finally:
        keras.config.set_dtype_policy("float32")
    # Products of bfloat16 are rounded elsewhere by each compiler: eight bits.
    assert_same(one, other, rtol=2e-2)
    assert other["loss"][-1] < other["loss"][0]


@pytest.mark.parametrize("steps", [0, -1, 2.5, "fast", None])
def test_bad_steps_raise_an_error(steps, tiny):
    with pytest.raises(ValueError, match="`steps_per_execution` must be.*Received"):
        tiny(steps_per_execution=steps)


def test_validation_split_is_that_of_keras(tiny, rows):
    model, ours = tiny(), tiny()
    given = {"validation_split": 0.2, "epochs": 2, "verbose": 0, "shuffle": False}
    assert_same(keras.Model.fit(model, rows, **given).history, ours.fit(rows, **given).history)


def test_fit_of_a_plain_model_with_weights_uses_keras(tiny, rows, monkeypatch):
    def note(method):
        return functools.wraps(method)(lambda self, **options: taken.append(options))

    taken = []
    monkeypatch.setattr(keras.Model, "fit", note(keras.Model.fit))
    monkeypatch.setattr(keras.Model, "evaluate", note(keras.Model.evaluate))
    model, weight = tiny(), np.ones(300)
    model.fit(rows, sample_weight=weight, validation_split=0.5)
    model.evaluate(rows, sample_weight=weight)
    assert all(options["x"] is rows and options["sample_weight"] is weight for options in taken)
    assert taken[0]["validation_split"] == 0.5
    model.fit(rows, rows, class_weight={0: 1.0})
    assert taken[2]["class_weight"] == {0: 1.0} and taken[2]["y"] is rows


def test_a_model_trains_on_a_dict_of_arrays(tiny, rows):
    class Weighted(type(tiny())):
        def train_step(self, *args):
            *state, data = args
            (x,) = data
            keys.append(list(x))
            return super().train_step(*state, (x["image"],))

    keys = []
    plain = tiny()
    model = Weighted(plain.input, plain.output)
    model.compile("sgd")
    model.fit({"image": rows, "sample_weight": rows[:, 0, 0, 0]}, verbose=0)
    assert keys and all(found == ["image", "sample_weight"] for found in keys)


def test_shuffle_and_initial_epoch(tiny, rows):
    shuffled, in_order, same = (
        history(tiny(), rows, shuffle=shuffle) for shuffle in (True, False, True)
    )
    assert shuffled == same
    assert shuffled["loss"] != in_order["loss"]
    given = {"epochs": 2, "shuffle": False, "validation_data": (rows[256:], None), "verbose": 0}
    assert_same(in_order, keras.Model.fit(tiny(), rows[:250], **given).history)
    assert len(history(tiny(), rows, initial_epoch=1)["loss"]) == 1


def test_the_order_does_not_depend_on_other_random_numbers(tiny, rows):
    """A callback that reseeds NumPy changes nothing; a resumed run continues in the same order."""
    reseed = keras.callbacks.LambdaCallback(on_epoch_begin=lambda *_: np.random.seed(0))
    one, model = tiny(), tiny()
    assert history(one, rows, epochs=3) == history(model, rows, epochs=3, callbacks=[reseed])
    resumed = tiny()
    history(resumed, rows, epochs=1)
    history(resumed, rows, epochs=3, initial_epoch=1)
    for mine, theirs in zip(one.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5)


@pytest.mark.parametrize("steps", [1, "auto"])
def test_a_second_call_compiles_nothing(steps, tiny, rows):
    if (BACKEND, steps) == ("torch", 1):
        pytest.skip("single steps are not compiled on torch")
    model = tiny(steps_per_execution=steps)
    history(model, rows)
    model.evaluate(rows[:50], verbose=0)
    model.traces.clear()
    history(model, rows)
    model.evaluate(rows[256:], verbose=0)
    model.evaluate(rows[:50], verbose=0)
    assert not model.traces
    model.forget_programs()
    history(model, rows)
    assert model.traces


def test_stale_programs_are_dropped(tiny, rows):
    model = tiny()
    energy, _ = model.evaluate(rows, verbose=0), model.get_layer("dense").enable_lora(2)
    model.get_layer("dense").lora_kernel_b.assign(np.full((2, 3), 2.0))
    direct = float(np.mean((keras.ops.convert_to_numpy(model(rows)) - 1) ** 2))
    assert abs(energy - direct) > 0.01
    assert model.evaluate(rows, verbose=0) == pytest.approx(direct, rel=1e-4)


def test_programs_may_be_dropped_while_they_run(tiny, rows):
    class Forget(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.traces.clear()
            self.model.forget_programs()

        def on_epoch_end(self, epoch, logs=None):
            assert self.model.traces
            self.model.evaluate(rows[:20], verbose=0)

        def on_test_end(self, logs=None):
            self.model.forget_programs()

    model, untouched = tiny(), tiny()
    with_it = history(model, rows, callbacks=[Forget()])
    assert_same(with_it, history(untouched, rows))


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow would trace it again")
@pytest.mark.parametrize("steps", [1, "auto"])
def test_the_first_step_of_an_optimizer_is_traced_once(steps, tiny, rows):
    model = tiny(steps_per_execution=steps)
    model.fit(rows[:64], verbose=0)
    assert len(model.traces) == 1


@pytest.mark.skipif(BACKEND != "tensorflow", reason="TensorFlow would trace each of them")
def test_numbers_of_rows_that_change_are_not_traced_again(tiny, rows):
    model = tiny()
    for count in (300, 290, 270, 230, 201, 133):  # partial batches of 12, 2, 14, 6, 9, 5
        model.evaluate(rows[:count], verbose=0)
    assert len(model.traces) <= 4  # of whole batches and of partial ones, each with any number


@pytest.mark.skipif(BACKEND != "tensorflow", reason="asks which compiler TensorFlow uses")
@pytest.mark.usefixtures("by_xla")
def test_xla_is_used_if_all_layers_allow_it_and_none_is_a_convolution(tiny):
    from keras_cvae.fitting.tensorflow_steps import gains_by_xla

    assert gains_by_xla(tiny())
    for name in ("convolution", "no XLA", "nor this"):
        assert not gains_by_xla(tiny(*MODELS[name]()))
    inside = keras.Sequential([keras.layers.RandomZoom(0.1)])
    assert not gains_by_xla(tiny(inside))


def test_memory_mapped_arrays_are_read_in_blocks(tmp_path, monkeypatch, tiny, rows):
    monkeypatch.setattr("keras_cvae.fitting.blocks.MEMORY_BYTES", 0)
    np.save(tmp_path / "x.npy", rows)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    one, other = (history(tiny(steps_per_execution=steps), mapped) for steps in (1, 3))
    assert_same(one, other)
    assert other["loss"][-1] < other["loss"][0]


@pytest.mark.parametrize("steps", [1, "auto"])
def test_arrays_are_released_after_training(steps, tiny, rows):
    x = rows.copy()
    held, model = weakref.ref(x), tiny(steps_per_execution=steps)
    model.fit(x, verbose=0)
    model.evaluate(x, verbose=0)
    del x
    gc.collect()
    assert held() is None


def test_evaluate_and_predict_within_fit(tiny, rows):
    class Use(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            stream = ((rows[i : i + 50],) for i in range(0, 300, 50))
            self.streamed = self.model.evaluate(stream, verbose=0)
            self.arrays = self.model.evaluate(rows, verbose=0)
            self.predicted = self.model.predict(rows, verbose=0)

    callback, model = Use(), tiny(steps_per_execution=4)
    model.predict(rows[:64], verbose=0)
    results = history(model, rows, callbacks=[callback])
    assert len(results["val_loss"]) == 2
    assert callback.arrays == pytest.approx(callback.streamed, rel=1e-5)
    assert callback.arrays == pytest.approx(model.evaluate(rows, verbose=0), rel=1e-5)
    np.testing.assert_allclose(callback.predicted, model.predict(rows, verbose=0), rtol=1e-5)
    stream = (rows[i : i + 50] for i in range(0, 300, 50))
    assert set(model.fit(((part,) for part in stream), verbose=0).history) == {"loss"}


def test_a_saved_model_keeps_its_compile_options(tmp_path, tiny, rows):
    for steps in ("auto", 1, 6):
        model = tiny(steps_per_execution=steps)
        model.optimizer.build(model.trainable_variables)
        model.optimizer.iterations.assign(10)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras")
        config = loaded.get_compile_config()
        assert (config["steps_per_execution"], config["jit_compile"]) == (steps, "auto")
        loaded.fit(rows[:64], verbose=0)
        assert int(loaded.optimizer.iterations) == 12


def test_an_interrupted_fit_can_continue(tiny, rows):
    def interrupt(epoch, logs):
        raise KeyboardInterrupt

    model = tiny()
    with pytest.raises(KeyboardInterrupt):
        history(model, rows, callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=interrupt)])
    assert int(model.optimizer.iterations) == 8
    assert model.fit(rows, verbose=0).history["loss"]
    assert model.train_on_batch(rows[:32]) > 0


def test_models_with_a_loss_of_keras_use_keras(tiny, rows):
    model = tiny(loss="mse", metrics=["mae"])
    assert set(model.fit(rows, rows[:, 0, :3, 0], verbose=0).history) == {"loss", "mae"}


def test_a_restart_by_keras_trains_the_remaining_epochs(tmp_path, tiny, rows):
    """Keras notes the epochs that are left for every `fit`: the next one has all of its own."""

    class Killed(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise KeyboardInterrupt

    def train(model, *callbacks):
        backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
        return model.fit(rows, epochs=5, callbacks=[backup, *callbacks], verbose=0).epoch

    with pytest.raises(KeyboardInterrupt):
        train(tiny(optimizer="adam"), Killed())
    model = tiny(optimizer="adam")
    assert train(model) == [2, 3, 4]
    assert keras.ops.convert_to_numpy(model.optimizer.iterations) == 5 * 10
    assert train(model) == [0, 1, 2, 3, 4]
