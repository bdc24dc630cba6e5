"""Rows a second of `evaluation.log_likelihood`, beside its decoder's matrix products alone.

    KERAS_BACKEND=jax python scripts/benchmarks/samples.py --images 64 --samples 5000

A dense model of 784-200-200-50 with tanh; a row is one decoded sample of one image of noise.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import typer
from keras import ops
from timing import seconds

import keras_cvae
from keras_cvae import evaluation, networks

WIDTHS, CLASSES, ROWS, REPEATS = (60, 200, 200, 784), 10, 4096, 100


def products():
    """The products of `ROWS` rows in one compiled program, as a function of nothing."""
    rng = np.random.default_rng(0)
    shapes = zip(WIDTHS[:-1], WIDTHS[1:], strict=True)
    rows, *kernels = (
        ops.convert_to_tensor(rng.standard_normal(shape, "float32"))
        for shape in [(ROWS, WIDTHS[0]), *shapes]
    )

    def forward(rows):
        return functools.reduce(ops.matmul, kernels, rows)

    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        forward = tf.function(forward)
    elif backend == "jax":
        import jax

        compiled = jax.jit(forward)
        forward = lambda rows: compiled(rows).block_until_ready()  # noqa: E731
    return lambda: forward(rows)


def main(images: int = 64, samples: int = 5000, rounds: int = 3) -> None:
    """Print both rates and their ratio."""
    network = networks.Dense(WIDTHS[1:3], activation="tanh")
    latent_dim = WIDTHS[0] - CLASSES
    cvae = keras_cvae.build_cvae((28, 28, 1), CLASSES, latent_dim, network=network)
    x = np.random.default_rng(0).integers(0, 2, (images, 28, 28, 1)).astype("float32")
    y = np.arange(images) % CLASSES
    options = {"samples": samples, "verbose": 0}
    estimate = functools.partial(evaluation.log_likelihood, cvae, x, y, **options)
    product = products()
    ours = images * samples / seconds(estimate, rounds)
    alone = REPEATS * ROWS / seconds(lambda: [product() for _ in range(REPEATS)], rounds)
    print(
        f"{keras.backend.backend()}: {ours:,.0f} rows/s, products {alone:,.0f}: {ours / alone:.2f}"
    )


if __name__ == "__main__":
    typer.run(main)
