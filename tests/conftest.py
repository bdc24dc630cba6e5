"""Shared by all tests: quiet backends, real digits, gradients on any backend."""

import importlib.util
import os
import shutil
import subprocess
import sys

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


@pytest.fixture
def on_every_backend(tmp_path):
    """A function of a program and its arguments, which runs it on all backends, each by itself.

    The program is given the arguments and the backend's name, in `tmp_path`. Returns the names of
    the backends, that of this process first; the test is skipped where it is the only one.
    """

    def run(program, *arguments):
        ours = keras.backend.backend()
        others = [b for b in ("tensorflow", "jax", "torch") if b != ours]
        others = [b for b in others if importlib.util.find_spec(b)]
        if not others:
            pytest.skip("no other backend is installed")
        running = [
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-c", program, *arguments, backend],
                env={**os.environ, "KERAS_BACKEND": backend},
                cwd=tmp_path,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
            )
            for backend in (ours, *others)
        ]
        for process in running:
            _, error = process.communicate(timeout=300)
            assert process.returncode == 0, error[-2000:]
        return ours, *others

    return run


@pytest.fixture
def finite_differences():
    """A function of f and arrays to the gradients of f, a number, by central differences."""

    def differences(f, *arrays, step=1e-5):
        arrays = [np.asarray(array, "float64") for array in arrays]
        gradients = [np.empty_like(array) for array in arrays]
        for place, gradient in enumerate(gradients):
            for index in np.ndindex(gradient.shape):
                ends = []
                for moved in (step, -step):
                    shifted = [array.copy() for array in arrays]
                    shifted[place][index] += moved
                    ends.append(f(*shifted))
                gradient[index] = (ends[0] - ends[1]) / (2 * step)
        return gradients

    return differences
