"""Rows a second of `evaluation.log_likelihood`, beside its decoder alone.

    KERAS_BACKEND=jax python scripts/benchmarks/samples.py --images 64 --samples 5000

A dense model of 784-200-200-50 with tanh; a row is one decoded sample of one image of noise. Beside
it, in turns: the three matrix products of the decoder, and these with its biases and tanh, each
written out and compiled.
"""

from __future__ import annotations

import functools
import time

import keras
import numpy as np
import typer
from keras import ops

import keras_cvae
from keras_cvae import evaluation, networks

WIDTHS, CLASSES, ROWS = (60, 200, 200, 784), 10, 4096


def products(rows, kernels, biases):
    """The decoder's matrix products."""
    return functools.reduce(ops.matmul, kernels, rows)


def decoder(rows, kernels, biases):
    """The decoder's arithmetic, from rows of z and one-hot label to logits."""
    *hidden, last = zip(kernels, biases, strict=True)
    for kernel, bias in hidden:
        rows = ops.tanh(ops.matmul(rows, kernel) + bias)
    return ops.matmul(rows, last[0]) + last[1]


def alone(function, count):
    """A function that runs one of `(rows, kernels, biases)`, compiled, on `count` rows."""
    rng = np.random.default_rng(0)

    def drawn(*shape):
        return ops.convert_to_tensor(0.1 * rng.standard_normal(shape, "float32"))

    kernels = [drawn(*shape) for shape in zip(WIDTHS[:-1], WIDTHS[1:], strict=True)]
    given = drawn(ROWS, WIDTHS[0]), kernels, [drawn(width) for width in WIDTHS[1:]]
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        function = tf.function(function)
    elif backend == "jax":
        import jax

        function = jax.jit(function)

    def run():
        for _ in range(count // ROWS):
            result = function(*given)
            if backend == "jax":
                result.block_until_ready()

    return run


def main(images: int = 64, samples: int = 5000, rounds: int = 5) -> None:
    """Print the rates, medians over the rounds, and the medians of their ratios."""
    network = networks.Dense(WIDTHS[1:3], activation="tanh")
    cvae = keras_cvae.build_cvae((28, 28, 1), CLASSES, WIDTHS[0] - CLASSES, network=network)
    rows = -(-images * samples // ROWS) * ROWS
    x = np.random.default_rng(0).integers(0, 2, (images, 28, 28, 1)).astype("float32")
    y = np.arange(images) % CLASSES
    options = {"samples": samples, "verbose": 0}
    runs = {
        "log_likelihood": functools.partial(evaluation.log_likelihood, cvae, x, y, **options),
        "products": alone(products, rows),
        "decoder": alone(decoder, rows),
    }
    counts = {"log_likelihood": images * samples, "products": rows, "decoder": rows}
    rates = {name: [] for name in runs}
    for _ in range(1 + rounds):
        for name, run in runs.items():
            began = time.perf_counter()
            run()
            rates[name].append(counts[name] / (time.perf_counter() - began))
    rates = {name: np.array(found[1:]) for name, found in rates.items()}  # the first compiles
    for name, found in rates.items():
        ratio = np.median(rates["log_likelihood"] / found)
        print(
            f"{keras.backend.backend()}, {name}: {np.median(found):,.0f} rows/s; "
            f"log_likelihood over it: {ratio:.2f}"
        )


if __name__ == "__main__":
    typer.run(main)
