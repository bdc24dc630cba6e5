"""Noise: the moments it should have, and the same numbers compiled or not."""

import keras
import numpy as np
import pytest

import keras_cvae

BACKEND = keras.backend.backend()


@pytest.mark.parametrize("compiled", [False, True])
def test_noise_has_the_expected_moments(compiled):
    seeds = keras.random.SeedGenerator(5)

    def draw():
        return keras_cvae.noise.normal((200_000,), seeds), keras_cvae.noise.uniform(
            (200_000,), seeds, minval=0.25
        )

    if compiled and BACKEND == "tensorflow":
        import tensorflow as tf

        draw = tf.function(draw, jit_compile=True)
    normal, uniform = map(keras.ops.convert_to_numpy, draw())
    assert abs(normal.mean()) < 0.01 and abs(normal.std() - 1) < 0.01
    assert abs((normal**4).mean() - 3) < 0.1 and np.isfinite(normal).all()
    assert 0.25 <= uniform.min() and uniform.max() < 1
    assert abs(uniform.mean() - 0.625) < 0.005 and abs(uniform.std() - 0.75 / 12**0.5) < 0.005


@pytest.mark.skipif(BACKEND != "tensorflow", reason="only TensorFlow has two compilers")
def test_noise_is_the_same_compiled_or_not():
    import tensorflow as tf

    draws = []
    for jit_compile in (False, True):
        seeds = keras.random.SeedGenerator(123456789)
        draw = tf.function(
            lambda s=seeds: keras_cvae.noise.normal((50, 3), s), jit_compile=jit_compile
        )
        draws.append([draw().numpy() for _ in range(3)])
    np.testing.assert_allclose(*draws, atol=2e-6)
    assert len({float(draw[0, 0]) for draw in draws[0]}) == 3
