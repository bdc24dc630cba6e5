"""Memory and time in long use of one process: do they increase?

    python scripts/experiments/soak.py
    KERAS_BACKEND=jax python scripts/experiments/soak.py --only calls

Each of three stages prints ten lines with the memory in MB and the processor time per step in
seconds. `epochs` trains one model for many epochs; `calls` evaluates and generates with changing
sizes; `models` builds models, trains each for a step, uses it and drops it.
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
    """Returns the current memory of this process, in MB."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def model() -> keras_cvae.CVAE:
    """Returns a small model, compiled without XLA on TensorFlow, as in a search over settings."""
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=networks.Dense((32,)))
    cvae.compile("adam", jit_compile=keras.backend.backend() == "jax")
    return cvae


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

    stages = {"epochs": (epochs, train), "calls": (calls, call), "models": (models, build)}
    for name, (count, step) in stages.items():
        if only in ("", name):
            table(name, count, min(parts, count), step)


if __name__ == "__main__":
    typer.run(main)
