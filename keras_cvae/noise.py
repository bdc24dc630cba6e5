"""Random numbers inside the graph: fast, and the same whether or not XLA compiles it.

On TensorFlow `keras.random` leaves the choice of the generator, and of the conversion of bits to
numbers, to the compiler: XLA samples other numbers than TensorFlow's kernels, and takes ten times
as long on a CPU. Here the generator is Philox, which both have, and the bits are converted to
numbers in the graph. On JAX and torch the functions are those of `keras.random`.

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


def to_state(words) -> np.ndarray:
    """Converts two words of random bits to the state of a `keras.random.SeedGenerator`.

    Keras on torch adds the two numbers, so that (0, 1) and (1, 0) are the same state: pass words
    that are hashed from a seed, such as those of `np.random.SeedSequence`.

    Args:
        words: Array of two non-negative integers.
    """
    return np.asarray(words) % LARGEST_SEED


def seed_states(states, seed: int) -> None:
    """Seeds random generators, each with its own random words of one seed.

    Args:
        states: The states of `keras.random.SeedGenerator`s, variables of shape `(2,)`.
        seed: The seed.
    """
    words = np.random.SeedSequence(seed).generate_state(2 * len(states)).reshape(-1, 2)
    for state, pair in zip(states, words, strict=True):
        state.assign(to_state(pair))


def seed_or_next(seed: int | None) -> int:
    """Returns the seed, or for None a random one of NumPy's global generator.

    `keras.utils.set_random_seed` seeds that generator.
    """
    return int(np.random.randint(2**31 - 1)) if seed is None else seed


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seeds initial weights, noise and the order of examples inside the context.

    Keras seeds its layers from Python's global generator, and shuffles examples with NumPy's. At
    the end of the context both are restored to their former state.
    `keras.utils.set_random_seed` would import TensorFlow on every backend.

    Args:
        seed: The seed.
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
    r"""Samples from N(0, 1), on TensorFlow as sqrt(2) erfinv(u) with u uniform on (-1, 1).

    Args:
        shape: Shape of the result.
        seed: A `keras.random.SeedGenerator`, an integer, or None: Keras's own generator.
        dtype: Data type of the result.

    Returns:
        Tensor of that shape.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.random.normal(shape, dtype=dtype, seed=seed)
    import tensorflow as tf

    u = (2.0 * _bits(shape, seed, 23) + 1.0) * 2.0**-23 - 1.0
    return tf.cast(math.sqrt(2.0) * tf.math.erfinv(u), dtype)


def uniform(shape, seed, minval=0.0) -> Tensor:
    """Samples from the uniform distribution on [minval, 1), in float32.

    In half precision the largest numbers would be rounded up to 1.

    Args:
        shape: Shape of the result.
        seed: As for `normal`.
        minval: Lower bound.

    Returns:
        Tensor of that shape.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.random.uniform(shape, minval=minval, dtype="float32", seed=seed)

    return minval + (1.0 - minval) * _bits(shape, seed, 24) * 2.0**-24


LARGEST_MEAN = 2.0**24  # up to here float32 represents all integers


def poisson(mean, seed) -> Tensor:
    """Samples from Poisson distributions with the backend's own generator; not for compiled code.

    Args:
        mean: Tensor of means of at least 0; means above 2^24 count as 2^24.
        seed: As for `normal`.

    Returns:
        Tensor of whole numbers in float32, of the shape of `mean`.
    """
    word = keras.random.randint((), 0, LARGEST_SEED, seed=seed)
    mean = keras.ops.minimum(keras.ops.cast(mean, "float32"), LARGEST_MEAN)
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
    """Returns uniform integers of `count` bits, at most 24, as float32."""
    import tensorflow as tf

    if seed is None:
        seed = keras.random.randint((), 0, LARGEST_SEED)
    state = seed.next() if hasattr(seed, "next") else [seed, 0]
    state = tf.cast(tf.convert_to_tensor(state) % LARGEST_SEED, "int32")
    bits = tf.random.stateless_uniform(shape, state, None, None, "uint32", alg="philox")
    return tf.cast(tf.bitwise.right_shift(bits, tf.constant(32 - count, "uint32")), "float32")
