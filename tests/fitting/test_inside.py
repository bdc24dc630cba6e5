"""What is assumed of Keras's inside: that it holds, and that `fit` does without it."""

import gc
import sys

import keras
import numpy as np
import pytest

from keras_cvae.fitting import inside
from keras_cvae.fitting.inside import adapters

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def model(tiny):
    return tiny()


@pytest.mark.parametrize("what", inside.ASSUMPTIONS)
def test_the_assumption_holds(what, model):
    assert inside.ASSUMPTIONS[what](model)


def other_arguments(monkeypatch):
    monkeypatch.setattr(keras.Model, "evaluate", lambda self, x, y, batch_size, verbose: None)


def other_loops(monkeypatch):
    def fit(self, *args, **kwargs):
        raise NotImplementedError

    monkeypatch.setattr(keras.Model, "fit", fit)


def other_beginnings(monkeypatch):
    def fit(self, x, y, batch_size, verbose, callbacks, sample_weight, epochs, **options):
        raise NotImplementedError

    monkeypatch.setattr(keras.Model, "fit", fit)


def other_adapters(monkeypatch):
    monkeypatch.setattr(adapters, "DataAdapter", object)


def other_layers(monkeypatch):
    monkeypatch.setattr(keras.Model, "_flatten_layers", lambda self, *args, **kwargs: self.layers)


def other_steps(monkeypatch):
    monkeypatch.setattr(keras.Model, "train_step", lambda self, data, state: None)


def other_strategy(monkeypatch):
    monkeypatch.delattr(keras.Model.__mro__[1], "distribute_strategy")


def other_draws(monkeypatch):
    module = sys.modules["keras.src.backend.torch.random"]
    monkeypatch.setattr(module, "torch_seed_generator", lambda seed, device: None)


def other_adam(monkeypatch):
    monkeypatch.setattr(keras.optimizers.Adam, "build", lambda self, variables: None)


OTHERWISE = dict(
    zip(
        inside.ASSUMPTIONS,
        [
            other_arguments,
            other_loops,
            other_beginnings,
            other_adapters,
            other_layers,
            other_steps,
            other_strategy,
            other_draws,
            other_adam,
        ],
        strict=True,
    )
)


@pytest.mark.parametrize("what", OTHERWISE)
def test_a_different_keras_is_detected(what, model, monkeypatch):
    of_one = {"steps": "jax", "strategy": "tensorflow"}
    of_one |= {"draws": "torch", "adam": "torch"}
    if of_one.get(OTHERWISE[what].__name__.removeprefix("other_"), BACKEND) != BACKEND:
        pytest.skip("an assumption of another backend")
    OTHERWISE[what](monkeypatch)
    with pytest.warns(UserWarning, match="it is no longer so that"):
        assert not inside.may_fuse(model)


@pytest.mark.parametrize("what", inside.ASSUMPTIONS)
def test_fit_then_uses_the_steps_of_keras(what, model, rows, monkeypatch):
    monkeypatch.setitem(inside.ASSUMPTIONS, what, lambda model: False)
    with pytest.warns(UserWarning, match="it is no longer so that"):
        history = model.fit(rows[:64], validation_data=(rows[:64], None), verbose=0).history
    assert set(history) == {"loss", "val_loss"}
    assert not model._programs._compiled and not any(model._programs.of_keras.values())


def test_whether_tensorboard_profiles(tmp_path, monkeypatch):
    callback = keras.callbacks.TensorBoard(str(tmp_path))
    assert not inside.may_profile(callback)
    monkeypatch.delattr(callback, "_should_trace")
    assert inside.may_profile(callback)


def test_generator_states_include_all_layers(monkeypatch):
    noise = keras.layers.GaussianNoise(0.1, seed=1)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.1), noise]
    model = keras.Sequential([keras.Input((3,)), keras.Sequential(layers)])
    model.compile("sgd", metrics=["mae"])
    states = inside.generator_states(model)
    assert len(states) == 2 and any(state is noise.seed_generator.state for state in states)
    monkeypatch.setattr(keras.Model, "variables", property(lambda self: self.weights))
    assert {*map(id, inside.generator_states(model))} == {*map(id, states)}
    other = keras.Variable(np.zeros(3))  # as a later Keras may have
    monkeypatch.setattr(keras.Model, "variables", property(lambda self: [*self.weights, other]))
    assert {*map(id, inside.generator_states(model))} == {*map(id, states)}


def test_a_fingerprint_depends_on_variables_and_policies(tiny, rows):
    model = tiny()
    before = inside.Fingerprint(model)
    model.fit(rows[:64], verbose=0)
    assert before.is_of(model)
    dense = model.get_layer("dense")
    dense.enable_lora(2)
    assert not before.is_of(model)
    before = inside.Fingerprint(model)
    dense.lora_kernel_b.assign(np.ones((2, 3)))
    assert before.is_of(model)
    kernel = dense.kernel.shape
    dense._tracker.unlock()
    dense._trainable_variables.remove(dense._kernel)
    dense._kernel = dense.add_weight(shape=kernel)  # another variable, maybe in the same place
    gc.collect()
    assert not before.is_of(model)
    before = inside.Fingerprint(model)
    dense.dtype_policy = "mixed_bfloat16"
    assert not before.is_of(model)
