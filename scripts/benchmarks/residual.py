"""Seconds a step of a residual network, by dtype policy, beside its convolutions alone.

    KERAS_BACKEND=tensorflow python scripts/benchmarks/residual.py
    KERAS_BACKEND=torch python scripts/benchmarks/residual.py --policies float32,mixed_bfloat16

Images of 32 x 32 x 3 of noise, four batches of 128, `networks.Residual` of 64 to 256 filters. The
convolutions alone, on TensorFlow, are those of a step: forward, and the gradients of inputs and
kernels, with no layer between them.
"""

from __future__ import annotations

import statistics

import keras
import numpy as np
import typer
from timing import seconds

import keras_cvae

SHAPE, BATCH_SIZE, LATENT_DIM, STEPS = (32, 32, 3), 128, 64, 4


def bare(model: keras.Model):
    """The convolutions of a step on TensorFlow, as a function of nothing."""
    import tensorflow as tf

    rng = np.random.default_rng(0)
    parts = []
    for network in (model.encoder, model.decoder):
        for layer in network._flatten_layers():
            kernel = getattr(layer, "kernel", None)
            if kernel is not None and len(kernel.shape) == 4:
                shape = layer.input[0].shape if isinstance(layer.input, list) else layer.input.shape
                x = rng.standard_normal((BATCH_SIZE, *shape[1:-1], kernel.shape[2]), "float32")
                parts.append((tf.constant(x), tf.constant(kernel.numpy()), layer.strides))

    @tf.function
    def run():
        total = 0.0
        for number, (x, kernel, strides) in enumerate(parts):
            stride = strides if isinstance(strides, int) else strides[0]
            options = {"strides": [1, stride, stride, 1], "padding": "SAME"}
            y = tf.raw_ops.Conv2D(input=x, filter=kernel, **options)
            gradient = tf.raw_ops.Conv2DBackpropFilter(
                input=x, filter_sizes=kernel.shape, out_backprop=y, **options
            )
            total += tf.reduce_sum(gradient)
            if number:  # the first has no gradient for its input
                gradient = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=x.shape, filter=kernel, out_backprop=y, **options
                )
                total += tf.reduce_sum(gradient)
        return total

    return lambda: float(run())


def main(policies: str = "float32,mixed_bfloat16,mixed_float16", rounds: int = 3) -> None:
    """Print the table."""
    x = np.random.default_rng(0).random((STEPS * BATCH_SIZE, *SHAPE), "float32")
    print("| policy | seconds a step | the convolutions alone, over it |\n|---|---|---|")
    for policy in policies.split(","):
        keras.config.set_dtype_policy(policy)
        cvae = keras_cvae.build_cvae(SHAPE, latent_dim=LATENT_DIM, network="residual")
        cvae.compile("adam")

        def train(model=cvae):
            model.fit(x, batch_size=BATCH_SIZE, verbose=0)

        share = "-"
        if keras.backend.backend() == "tensorflow" and policy == "float32":
            convolutions = bare(cvae)
            turns = [(seconds(train, 1) / STEPS, seconds(convolutions, 1)) for _ in range(rounds)]
            taken = statistics.median(step for step, _ in turns)
            share = f"{statistics.median(alone / step for step, alone in turns):.2f}"
        else:
            taken = seconds(train, rounds) / STEPS
        print(f"| {policy} on {keras.backend.backend()} | {taken:.2f} | {share} |", flush=True)


if __name__ == "__main__":
    typer.run(main)
