"""Runs the programs of the benchmark in their own processes, one at a time, in turns."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

WORKER = Path(__file__).with_name("worker.py")
ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "3",
    # On a GPU, let the processes share its memory.
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
DISTURBED = 0.1  # in CPU cores


@dataclass
class Contender:
    """A program, its settings and its results.

    Attributes:
        name: Name in the table.
        function: `"module:function"` in this folder, called with the data, `model`, `batch_size`,
            `seed` and `options`; it returns a function that runs one epoch, or a number of epochs.
        backend: The Keras backend.
        images: Number of images of the data to use.
        counted: Number of images per epoch, if it differs from `images`.
        model: `"dense"` or `"conv"`.
        batch_size: Size of a batch.
        seed: Seed of weights, order and noise.
        options: Further arguments of the function.
        first: Seconds of the first epoch.
        seconds: Seconds per epoch, in each timed turn.
        value: Value returned by the last epoch: for training, the loss in nats per image.
        peak: Peak memory in MB, in addition to the memory after imports and loading data.
    """

    name: str
    function: str
    backend: str = "tensorflow"
    images: int = 1000
    counted: int | None = None
    model: str = "dense"
    batch_size: int = 100
    seed: int = 0
    options: dict = field(default_factory=dict)
    first: float = 0.0
    seconds: list[float] = field(default_factory=list)
    value: float | None = None
    peak: float = 0.0

    @property
    def rates(self) -> list[float]:
        """Images per second, in each timed turn."""
        return [(self.counted or self.images) / seconds for seconds in self.seconds]

    def faster_than(self, other: Contender) -> float:
        """Median over the rounds of its images per second, divided by the other's."""
        return statistics.median(a / b for a, b in zip(self.rates, other.rates, strict=True))


class Course:
    """The data, the number of rounds, and a log file for the output of the programs."""

    def __init__(self, data: Path, images: int, rounds: int, warmup: int, epochs: int, log: Path):
        self.data, self.images, self.epochs, self.log = data, images, epochs, log
        self.rounds, self.warmup = rounds, max(1, warmup)

    def race(self, contenders: Sequence[Contender]) -> list[Contender]:
        """Runs all programs in turns of some epochs; returns those that did not fail."""
        with contextlib.ExitStack() as stack, self.log.open("a") as log:
            running = []
            for contender in contenders:
                worker = _Worker(contender, self.data, log)
                stack.callback(worker.close)
                if self._attempt(worker.read, contender):
                    running.append(worker)
            others = []
            for turn in range(self.warmup + self.rounds):
                # Each round begins with another program, so that none always follows the same one.
                first = turn % max(1, len(running))
                for worker in running[first:] + running[:first]:
                    contender = worker.contender
                    start, busy = time.perf_counter(), _busy_seconds()
                    epochs = 1 if turn == 0 else self.epochs
                    answer = self._attempt(functools.partial(worker.go, epochs), contender)
                    if not answer:
                        running.remove(worker)
                        continue
                    if turn == 0:
                        contender.first = answer["seconds"]
                    if turn >= self.warmup:
                        contender.seconds.append(answer["seconds"] / epochs)
                        busy = _busy_seconds() - busy - answer["cpu"]
                        others.append((busy, time.perf_counter() - start))
                    contender.value, contender.peak = answer["value"], answer["peak"]
        busy, elapsed = map(sum, zip(*others, strict=True)) if others else (0, 1)
        if busy / elapsed > DISTURBED:
            print(f"note: other processes used {busy / elapsed:.1f} CPU cores during the benchmark")
        return [worker.contender for worker in running]

    def _attempt(self, run, contender):
        try:
            return run()
        except _Failure as failure:
            print(f"left out: {contender.name}: {failure} (more in {self.log})")
            return None


@contextlib.contextmanager
def course(
    data: str, images: int | None, rounds: int, warmup: int, out: Path, epochs: int = 1
) -> Iterator[Course]:
    """Loads data and saves them for all programs.

    Args:
        data: Argument of `keras_cvae.datasets.load`.
        images: Number of training images, None for all.
        rounds: Number of timed turns of each program.
        warmup: Number of turns before these, at least one; the first, of one epoch, is timed
            separately.
        out: Folder for the log.
        epochs: Number of epochs per turn.

    Yields:
        A `Course`.
    """
    from keras_cvae import datasets

    loaded = datasets.load(data)
    arrays = {"images": loaded.x_train[:images], "labels": loaded.y_train[:images]}
    out.mkdir(parents=True, exist_ok=True)
    log = out / "workers.log"
    log.write_text("")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "data.npz"
        np.savez(path, **arrays, num_classes=len(loaded.class_names))
        yield Course(path, len(arrays["images"]), rounds, warmup, epochs, log)


class _Failure(Exception):
    """A program could not run."""


class _Worker:
    def __init__(self, contender, data, log):
        self.contender = contender
        names = ("function", "images", "model", "batch_size", "seed", "options")
        spec = {name: getattr(contender, name) for name in names} | {"data": str(data)}
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER), json.dumps(spec)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, **ENVIRONMENT, "KERAS_BACKEND": contender.backend},
        )

    def read(self):
        line = self.process.stdout.readline()
        answer = json.loads(line) if line else {"error": f"exit status {self.process.wait()}"}
        if "error" in answer:
            raise _Failure(answer["error"])
        return answer

    def go(self, epochs):
        with contextlib.suppress(BrokenPipeError):  # it has ended: `read` raises the reason
            print(epochs, file=self.process.stdin, flush=True)
        return self.read()

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()


def _busy_seconds():
    """Busy seconds of all cores, if the system reports them."""
    path = Path("/proc/stat")
    if not path.exists():
        return 0.0
    user, nice, system, _, _, irq, softirq = map(int, path.read_text().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
