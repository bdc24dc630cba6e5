"""What enumerating ten labels costs, beside the bare products of ten rows an example.

    KERAS_BACKEND=tensorflow python scripts/benchmarks/enumerated.py
    KERAS_BACKEND=torch python scripts/benchmarks/enumerated.py

A dense model, 794-500-50-510-500-784 with a classifier 784-500-10, batches of 100 of noise of which
half have labels, Adam. The bare products are those of a step, by the backend's own library and with
nothing between them: forward, and the gradients of weights and of inputs (but for those of the
image), encoder and decoder for 1,000 rows, the classifier for 100. The same model that is given all
labels says what enumerating costs. It is the time that the processor spends, all threads together,
so that other work on the machine hardly counts.
"""

from __future__ import annotations

import time

import keras
import numpy as np
import typer
from timing import seconds

import keras_cvae
from keras_cvae import conditions, networks

PIXELS, HIDDEN, LATENT, CLASSES, BATCH_SIZE, STEPS = 784, 500, 50, 10, 100, 20


def products():
    """The matrix products of a step, as a function of nothing."""
    rng = np.random.default_rng(0)
    rows = CLASSES * BATCH_SIZE
    encoder = [(PIXELS + CLASSES, HIDDEN), (HIDDEN, 2 * LATENT)]
    decoder = [(LATENT + CLASSES, HIDDEN), (HIDDEN, PIXELS)]
    classifier = [(PIXELS, HIDDEN), (HIDDEN, CLASSES)]
    layers = [(rows, *shape) for shape in encoder + decoder]
    layers += [(BATCH_SIZE, *shape) for shape in classifier]
    pairs = []
    for number, (n, a, b) in enumerate(layers):
        shapes = [((n, a), (a, b)), ((a, n), (n, b))]
        if number not in (0, 4):  # the first of encoder and classifier: the image has no gradient
            shapes.append(((n, b), (b, a)))
        pairs += shapes
    tensors = [
        [keras.ops.convert_to_tensor(rng.standard_normal(shape, "float32")) for shape in pair]
        for pair in pairs
    ]

    def run():
        found = [keras.ops.matmul(*pair) for pair in tensors]
        return [keras.ops.convert_to_numpy(product[0]) for product in found]

    return run


def step(condition):
    """Epochs of `STEPS` steps of our model, as a function of nothing."""
    cvae = keras_cvae.build_cvae((PIXELS,), condition, LATENT, network=networks.Dense((HIDDEN,)))
    cvae.compile("adam")
    rng = np.random.default_rng(0)
    x = rng.random((STEPS * BATCH_SIZE, PIXELS), "float32")
    labels = rng.integers(0, CLASSES, len(x))
    if condition is not CLASSES:
        labels[::2] = -1
    return lambda: cvae.fit([x, labels], batch_size=BATCH_SIZE, verbose=0)


def main(rounds: int = 5) -> None:
    """Print the table."""
    clock = time.process_time
    bare = seconds(products(), rounds * STEPS, clock)
    given = seconds(step(CLASSES), rounds, clock) / STEPS
    enumerated = seconds(step(conditions.Enumerated(CLASSES)), rounds, clock) / STEPS
    print("| a step of 100 examples | ms of processor | over the bare products |\n|---|---|---|")
    for name, taken in {
        "the products of 10 rows an example": bare,
        f"every label enumerated, {keras.backend.backend()}": enumerated,
        f"all labels given, {keras.backend.backend()}": given,
    }.items():
        print(f"| {name} | {1000 * taken:.1f} | {taken / bare:.2f} |")


if __name__ == "__main__":
    typer.run(main)
