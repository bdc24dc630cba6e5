"""Memory and time in long use of one process: do they increase?

    python scripts/experiments/soak.py
    KERAS_BACKEND=jax python scripts/experiments/soak.py --only calls

Each of four stages prints ten lines with the memory in MB and the processor time per step in
seconds. `epochs` trains one model for many epochs; `calls` evaluates and generates with changing
sizes; `models` builds models, trains each for a step, uses it and drops it; `plain` does the same
with models of Keras alone that have the same layers, for comparison.
"""

import gc
import os
import time
from typing import Annotated

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import networks

STAGES = "epochs", "calls", "models", "plain"
X = np.random.default_rng(0).random((1024, 8, 8, 1), "float32")
Y = np.arange(1024) % 10


def memory() -> float:
    """Returns the current memory of this process, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def model() -> keras_cvae.CVAE:
    """Returns a small model, compiled without XLA on TensorFlow, as in a search over settings."""
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=networks.Dense((32,)))
    cvae.compile("adam", jit_compile=keras.backend.backend() == "jax")
    return cvae


def plain_model() -> keras.Model:
    """A model of Keras alone with the layers of `model`, compiled likewise."""
    layers = keras.layers
    x, y = keras.Input((8, 8, 1)), keras.Input((10,))
    hidden = layers.Dense(32, "relu")(layers.Concatenate()([layers.Flatten()(x), y]))
    mean, log_var = layers.Dense(4)(hidden), layers.Dense(4)(hidden)
    z = layers.GaussianNoise(1.0)(layers.Add()([mean, log_var]))
    hidden = layers.Dense(32, "relu")(layers.Concatenate()([z, y]))
    plain = keras.Model([x, y], layers.Reshape((8, 8, 1))(layers.Dense(64, "sigmoid")(hidden)))
    jit_compile = keras.backend.backend() == "jax"
    plain.compile("adam", "binary_crossentropy", jit_compile=jit_compile)
    return plain


def table(name: str, count: int, parts: int, step) -> None:
    """Takes `count` steps; after each part, prints the memory and the seconds per step."""
    print(f"{keras.backend.backend()}, {name}: {count}; {memory():.0f} MB at first", flush=True)
    for part in range(parts):
        start = time.process_time()
        for number in range(part * count // parts, (part + 1) * count // parts):
            step(number)
        gc.collect()
        seconds = (time.process_time() - start) / (count / parts)
        done = (part + 1) * count // parts
        print(f"{done:6} {memory():8.0f} MB {seconds:8.4f} s each", flush=True)


def main(
    only: Annotated[str, typer.Option(help=f"{', '.join(STAGES)}; by default all.")] = "",
    epochs: int = 200,
    calls: int = 1000,
    models: int = 1000,
    plain: int = 300,
    parts: Annotated[int, typer.Option(help="Lines per table.")] = 10,
) -> None:
    """Run the stages."""
    keras.utils.set_random_seed(0)
    cvae = model()
    sizes = np.random.default_rng(1).integers(1, 1025, calls)

    def train(number):
        cvae.fit([X, Y], batch_size=128, verbose=0)

    def call(number):
        size = int(sizes[number])
        cvae.evaluate([X[:size], Y[:size]], draws=1, verbose=0)
        cvae.generate(Y[:size])

    def build(number):
        unused = model()
        unused.fit([X[:64], Y[:64]], batch_size=64, verbose=0)
        unused.generate(Y[:8])
        if number % 10 == 9:
            keras.utils.clear_session()

    def build_plain(number):
        dropped = plain_model()
        labels = np.eye(10, dtype="float32")[Y[:64]]
        dropped.fit([X[:64], labels], X[:64], batch_size=64, verbose=0)
        dropped.predict([X[:8], labels[:8]], verbose=0)
        if number % 10 == 9:
            keras.utils.clear_session()

    stages = {"epochs": (epochs, train), "calls": (calls, call), "models": (models, build)}
    stages["plain"] = plain, build_plain
    for name, (count, step) in stages.items():
        if only in ("", name):
            table(name, count, min(parts, count), step)


if __name__ == "__main__":
    typer.run(main)
