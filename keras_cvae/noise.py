"""Random draws inside the graph: the same numbers, and quick, whether or not XLA compiles it.

On TensorFlow `keras.random` leaves the generator, and how its bits become numbers, to whatever
compiles the program: XLA draws other numbers than TensorFlow's own kernels do, and on a CPU takes
ten times as long. Here the generator is named (Philox, the one they share) and the bits are turned
into numbers in the graph. On JAX and torch these are `keras.random` as it is.

Reference:
    [Salmon et al., 2011](https://doi.org/10.1145/2063384.2063405), for Philox.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator

import keras
import numpy as np

from keras_cvae.types import Tensor

LARGEST_SEED = 2**31 - 2


def as_state(words):
    """Two words of random bits as the state of a `keras.random.SeedGenerator`.

    torch adds the two up, so that the states (0, 1) and (1, 0) are one: seeds have to be scrambled.
    """
    return np.asarray(words) % LARGEST_SEED


def seed_states(states, seed: int) -> None:
    """Begins random generators anew, each with bits of its own that one seed gives.

    Args:
        states: The states of `keras.random.SeedGenerator`s, variables of shape `(2,)`.
        seed: The seed of all.
    """
    words = np.random.SeedSequence(seed).generate_state(2 * len(states)).reshape(-1, 2)
    for state, pair in zip(states, words, strict=True):
        state.assign(as_state(pair))


def seed_or_next(seed: int | None) -> int:
    """Returns a seed, or where there is none the next one of NumPy's global generator.

    That is what `keras.utils.set_random_seed` seeds.
    """
    return int(np.random.randint(2**31 - 1)) if seed is None else seed


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Within it weights, noise and the order of examples are drawn anew; then it is as before.

    Keras seeds its layers from Python's generator, and blocks of batches are shuffled by NumPy's.
    `keras.utils.set_random_seed` would import TensorFlow on every backend.

    Args:
        seed: The seed of all.
    """
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def normal(shape, seed, dtype="float32") -> Tensor:
    r"""Draws from N(0, 1), on TensorFlow as sqrt(2) erfinv(u) with u uniform on (-1, 1).

    Args:
        shape: Shape of the result.
        seed: A `keras.random.SeedGenerator`, an integer, or None: Keras's own generator.
        dtype: Data type of the result.

    Returns:
        Tensor of the given shape.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.random.normal(shape, dtype=dtype, seed=seed)
    import tensorflow as tf

    u = (2.0 * _bits(shape, seed, 23) + 1.0) * 2.0**-23 - 1.0
    return tf.cast(math.sqrt(2.0) * tf.math.erfinv(u), dtype)


def uniform(shape, seed, minval=0.0) -> Tensor:
    """Draws from the uniform distribution on [minval, 1), as `normal`, in float32.

    In half precision the largest numbers would be rounded up to 1.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.random.uniform(shape, minval=minval, dtype="float32", seed=seed)

    return minval + (1.0 - minval) * _bits(shape, seed, 24) * 2.0**-24


MOST = 2.0**24  # up to which float32 has all integers


def poisson(mean, seed) -> Tensor:
    """Draws counts, of each backend's own generator; not for programs that are compiled.

    Args:
        mean: Tensor of means of at least 0; those above 2^24 are drawn as of 2^24.
        seed: As for `normal`.

    Returns:
        Tensor of whole numbers in float32, of the shape of `mean`.
    """
    word = keras.random.randint((), 0, LARGEST_SEED, seed=seed)
    mean = keras.ops.minimum(keras.ops.cast(mean, "float32"), MOST)
    return _POISSON[keras.backend.backend()](mean, word)


def _poisson_of_tensorflow(mean, word):
    import tensorflow as tf

    return tf.random.stateless_poisson(tf.shape(mean), [word, 0], mean, "float32")


def _poisson_of_jax(mean, word):
    import jax

    return jax.random.poisson(jax.random.PRNGKey(word), mean).astype("float32")


def _poisson_of_torch(mean, word):
    import torch

    return torch.poisson(mean, torch.Generator(mean.device).manual_seed(int(word)))


_POISSON = {
    "tensorflow": _poisson_of_tensorflow,
    "jax": _poisson_of_jax,
    "torch": _poisson_of_torch,
}


def _bits(shape, seed, count):
    """Integers of `count` random bits, at most 24, as float32."""
    import tensorflow as tf

    if seed is None:
        seed = keras.random.randint((), 0, LARGEST_SEED)
    state = seed.next() if hasattr(seed, "next") else [seed, 0]
    state = tf.cast(tf.convert_to_tensor(state) % LARGEST_SEED, "int32")
    bits = tf.random.stateless_uniform(shape, state, None, None, "uint32", alg="philox")
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(32 - count, "uint32")), "float32")
