"""A small model that compiles quickly and counts its compilations, and rows for training."""

import keras
import numpy as np
import pytest

from keras_cvae import fitting


@keras.saving.register_keras_serializable("tests")
class Energy(keras.layers.Layer):
    """Adds the mean square of h - 1 to the loss; notes the batch sizes that it is traced for."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.traces = []

    def call(self, h):
        self.traces.append(h.shape[0])
        self.add_loss(keras.ops.mean(keras.ops.square(keras.ops.cast(h, "float32") - 1.0)))
        return h


@keras.saving.register_keras_serializable("tests")
class Tiny(fitting.FusedModel):
    """A functional model that `fit` may fuse."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    @property
    def traces(self):
        return self.get_layer("energy").traces


@pytest.fixture
def by_xla(with_xla):
    """For tests whose subject is what XLA compiles steps to."""
    with with_xla():
        yield


@pytest.fixture(scope="session")
def tiny():
    """A function of layers and options of `compile` to a compiled model of (4, 4, 1) images."""

    def build(*layers, optimizer="sgd", **options):
        keras.utils.set_random_seed(3)
        h = x = keras.Input((4, 4, 1))
        for layer in layers:
            h = layer(h)
        h = keras.layers.Dense(3, activation="tanh", name="dense")(keras.layers.Flatten()(h))
        model = Tiny(x, Energy(name="energy")(h))
        model.compile(optimizer, **options)
        model.traces.clear()
        return model

    return build


@pytest.fixture(scope="session")
def rows():
    """Float rows that all differ, of shape (300, 4, 4, 1): of 32, nine batches and one of 12."""
    return np.random.default_rng(0).random((300, 4, 4, 1), "float32")
