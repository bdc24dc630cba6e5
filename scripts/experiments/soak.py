"""Long use in one process: does memory or time grow?

    python scripts/experiments/soak.py
    KERAS_BACKEND=jax python scripts/experiments/soak.py --only calls

Three stages, each with a table of its length in ten parts: memory, in MB, and seconds of processor
time of a step. `epochs` trains one model for long; `calls` evaluates and generates, of changing
sizes; `models` builds, trains for a step, uses and drops models.
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

STAGES = "epochs", "calls", "models"
X = np.random.default_rng(0).random((1024, 8, 8, 1), "float32")
Y = np.arange(1024) % 10


def memory() -> float:
    """The memory of this process now, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def model() -> keras_cvae.CVAE:
    """A small model, compiled as in a search: without XLA on TensorFlow."""
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=networks.Dense((32,)))
    cvae.compile("adam", jit_compile=keras.backend.backend() == "jax")
    return cvae


def table(name: str, count: int, parts: int, step) -> None:
    """Takes `count` steps, and prints after each part memory and the seconds of a step."""
    print(f"{keras.backend.backend()}, {name}: {count}; begins at {memory():.0f} MB", flush=True)
    for part in range(parts):
        begun = time.process_time()
        for number in range(part * count // parts, (part + 1) * count // parts):
            step(number)
        gc.collect()
        seconds = (time.process_time() - begun) / (count / parts)
        done = (part + 1) * count // parts
        print(f"{done:6} {memory():8.0f} MB {seconds:8.4f} s each", flush=True)


def main(
    only: Annotated[str, typer.Option(help=f"{', '.join(STAGES)}; by default all.")] = "",
    epochs: int = 200,
    calls: int = 1000,
    models: int = 1000,
    parts: Annotated[int, typer.Option(help="Lines of a table.")] = 10,
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
        dropped = model()
        dropped.fit([X[:64], Y[:64]], batch_size=64, verbose=0)
        dropped.generate(Y[:8])
        if number % 10 == 9:
            keras.utils.clear_session()

    stages = {"epochs": (epochs, train), "calls": (calls, call), "models": (models, build)}
    for name, (count, step) in stages.items():
        if only in ("", name):
            table(name, count, min(parts, count), step)


if __name__ == "__main__":
    typer.run(main)
