"""Traced steps on torch: the numbers of Keras's own step, and what happens without a trace."""

import warnings

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks

if keras.backend.backend() != "torch":
    pytest.skip("traces steps on torch", allow_module_level=True)

import torch

SAID = "Steps run one at a time, through Keras's layers"


def trained(model, rows, **options):
    """The history of three epochs, the weights and the optimizer's variables."""
    keras.utils.set_random_seed(3)
    options = {"epochs": 3, "verbose": 0, "validation_data": (rows[250:], None), **options}
    found = model.fit(rows[:250], **options).history
    variables = [*model.weights, *model.optimizer.variables]
    return found, [keras.ops.convert_to_numpy(variable) for variable in variables]


def assert_same(one, other, rtol=1e-4):
    assert one[0].keys() == other[0].keys()
    for name in one[0]:
        np.testing.assert_allclose(one[0][name], other[0][name], rtol=rtol, err_msg=name)
    for mine, theirs in zip(one[1], other[1], strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-5)


@pytest.fixture
def compare(tiny, rows):
    """Trains two models, with Keras's steps and with traces, which have to be all traced."""

    def compare(layers=list, optimizer=lambda: "sgd", callbacks=list):
        results = []
        for steps in (1, "auto"):
            keras.utils.set_random_seed(3)
            model = tiny(*layers(), optimizer=optimizer(), steps_per_execution=steps)
            with warnings.catch_warnings():
                warnings.filterwarnings("error", message=SAID)
                results.append(trained(model, rows, callbacks=callbacks()))
        assert len(model.traces) in (4, 5)  # whole and partial batches; perhaps one try more
        assert_same(*results)

    return compare


@keras.saving.register_keras_serializable("tests")
class InPlace(keras.layers.Layer):
    """Adds one and two to its inputs, by tensors of its own that it changes in place."""

    def call(self, x):
        one = torch.zeros(())
        view = one.view(1)
        view += 1.0
        return x + one + torch.tensor([0.5, 1.5]).cumsum_(0)[1]


LAYERS = {
    "statistics and dropout": lambda: [
        keras.layers.BatchNormalization(),
        keras.layers.Dropout(0.3),
        keras.layers.Dropout(0.3, seed=1),
    ],
    "noise": lambda: [keras.layers.GaussianNoise(0.1, seed=1), keras.layers.GaussianNoise(0.1)],
    "convolutions": lambda: [
        keras.layers.Conv2D(3, 3, 2, padding="same"),
        keras.layers.MaxPooling2D(1),
        keras.layers.Conv2DTranspose(2, 3, 2, padding="same"),
        keras.layers.DepthwiseConv2D(2, dilation_rate=2, padding="same"),
    ],
    "nested": lambda: [keras.Sequential([keras.layers.Dense(3, name="dense")])],
    "in place": lambda: [InPlace()],
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_traced(name, compare):
    compare(LAYERS[name])


OPTIMIZERS = {
    "adam": lambda: keras.optimizers.Adam(1e-2),
    "amsgrad": lambda: keras.optimizers.Adam(1e-2, amsgrad=True),
    "schedule": lambda: keras.optimizers.Adam(
        keras.optimizers.schedules.ExponentialDecay(1e-2, 5, 0.5)
    ),
    "clipped": lambda: keras.optimizers.Adam(1e-2, global_clipnorm=0.1),
    "moving averages": lambda: keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.9),
    "decay": lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1, beta_1=0.8, epsilon=1e-3),
    "momentum": lambda: keras.optimizers.SGD(1e-2, momentum=0.9, nesterov=True),
    "asks for the step": lambda: keras.optimizers.Adam(
        1e-2, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=7
    ),
    "accumulates": lambda: keras.optimizers.Adam(1e-2, gradient_accumulation_steps=3),
    "scales": lambda: keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(1e-2), initial_scale=64.0, dynamic_growth_steps=5
    ),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_are_those_of_keras(name, compare):
    compare(optimizer=OPTIMIZERS[name])


def test_a_custom_optimizer_is_used(compare):
    class Signs(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, keras.ops.sign(gradient) * learning_rate)

    compare(optimizer=lambda: Signs(1e-2))


def test_changes_by_callbacks_are_used(compare):
    def callbacks():
        rate = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / (epoch + 1))
        return [rate, keras.callbacks.LambdaCallback(on_epoch_end=scale)]

    def scale(epoch, logs):
        assert logs["val_loss"] > 0

    compare(optimizer=lambda: keras.optimizers.Adam(1e-2), callbacks=callbacks)


@pytest.mark.parametrize("binarize", [None, "dynamic"])
def test_a_cvae_with_class_weights(binarize, digits):
    x, y, *_ = digits
    results = []
    for steps in (1, "auto"):
        keras.utils.set_random_seed(3)
        model = keras_cvae.build_cvae(
            (8, 8, 1), condition=10, latent_dim=3, network=networks.Dense((8,)), binarize=binarize
        )
        model.compile("adam", metrics=["mae"], steps_per_execution=steps)
        weights = {"class_weight": {3: 5.0}, "sample_weight": np.linspace(0, 2, 200)}
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=SAID)
            found = model.fit([x[:200], y[:200]], epochs=3, verbose=0, **weights).history
        results.append((found, model.get_weights()))
    assert_same(*results)


def test_a_saved_model_continues_training(tmp_path, tiny, rows):
    results = []
    for steps in (1, "auto"):
        keras.utils.set_random_seed(3)
        model = tiny(
            keras.layers.Dense(3, name="first"), optimizer="adam", steps_per_execution=steps
        )
        trained(model, rows)
        model.save(tmp_path / "model.keras")
        results.append(trained(keras.saving.load_model(tmp_path / "model.keras"), rows))
    assert_same(*results)


@keras.saving.register_keras_serializable("tests")
class Asks(keras.layers.Layer):
    """Doubles its inputs if their sum is positive, after a draw and a count."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator(1)
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        x = x + keras.random.normal(x.shape, seed=self.seed_generator) + torch.rand(())
        self.count.assign_add(1.0)
        return x * 2.0 if x.device.type != "meta" and x.sum() > 0 else x


def test_a_layer_that_cannot_be_traced_warns_once_and_uses_keras(tiny, rows):
    one, other = (tiny(Asks(), optimizer="adam", steps_per_execution=s) for s in (1, "auto"))
    expected = trained(one, rows)
    with pytest.warns(UserWarning, match=SAID) as said:
        assert_same(expected, trained(other, rows))
        other.evaluate(rows, verbose=0)
    assert sum(SAID in str(warning.message) for warning in said) == 1


def test_gradients_of_variables_with_equal_paths_are_separate(tiny, rows):
    model = tiny(keras.Sequential([keras.layers.Dense(3, name="dense")]), optimizer="sgd")
    model.layers[1].layers[0].kernel._path = model.get_layer("dense").kernel.path
    model._track_variables()
    model.train_on_batch(rows[:32])
    model.zero_grad()
    assert all(variable.value.grad is None for variable in model.trainable_variables)


def test_distributed_training_uses_keras(tmp_path, tiny, rows):
    """Keras wraps a model in `DistributedDataParallel` where it makes its own train function."""
    model = tiny()
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path / 'group'}", rank=0, world_size=1
    )
    try:
        trained(model, rows)
        assert not model._programs._compiled
    finally:
        torch.distributed.destroy_process_group()
    trained(model, rows)
    assert model._programs._compiled


def test_models_compiled_by_torch_use_keras(tiny, rows, monkeypatch):
    monkeypatch.setattr(torch, "compile", lambda function: compiled.append(1) or function)
    compiled, model = [], tiny(jit_compile=True)
    trained(model, rows)
    assert compiled and not model._programs._compiled
