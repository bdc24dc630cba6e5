"""Shared by all tests: quiet backends, real digits, gradients on any backend."""

import os
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import pytest

from keras_cvae import datasets


@pytest.fixture(autouse=True)
def _seeded():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def digits():
    """The 8x8 digits of scikit-learn: a `Dataset` with pixels in [0, 1]."""
    return datasets.load("digits")


@pytest.fixture
def graphviz():
    """Skips a test of diagrams where Graphviz, which draws them, is not installed."""
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")


@pytest.fixture(scope="session")
def gradient():
    """A function `(f, *arrays)` to the gradients of the scalar f(*tensors), as numpy arrays."""

    def tensorflow(f, tensors):
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            value = f(*tensors)
        return tape.gradient(value, tensors)

    def jax(f, tensors):
        import jax

        return jax.grad(f, argnums=tuple(range(len(tensors))))(*tensors)

    def torch(f, tensors):
        import torch

        return torch.autograd.grad(f(*tensors), tensors)

    def apply(f, *arrays):
        tensors = [keras.ops.convert_to_tensor(np.asarray(a, "float32")) for a in arrays]
        if keras.backend.backend() == "torch":
            tensors = [tensor.requires_grad_() for tensor in tensors]
        backend = {"tensorflow": tensorflow, "jax": jax, "torch": torch}[keras.backend.backend()]
        return [keras.ops.convert_to_numpy(g) for g in backend(f, tensors)]

    return apply
