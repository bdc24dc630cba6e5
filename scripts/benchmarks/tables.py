"""Rows a second in training on a table, beside Keras's `fit` and a PyTorch loop, in one run.

    python scripts/benchmarks/tables.py
    python scripts/benchmarks/tables.py --rows 20000 --backends torch

A seeded table of 20 columns, ten of numbers, six of categories and four of counts, that depend on
each other, with 3% of the cells missing. Every contender trains a dense VAE of 128-128 hidden units
on it, in a process of its own, told in turn to run. Writes the table to `table_speed.md` too.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Annotated

import numpy as np
import table_loops
import typer
from race import Contender, Course

BACKENDS = "tensorflow,jax,torch"


def main(
    rows: int = 50_000,
    batch_size: int = 500,
    rounds: Annotated[int, typer.Option(help="Timed turns of each contender.")] = 5,
    epochs: Annotated[int, typer.Option(help="Epochs in a turn.")] = 2,
    backends: Annotated[str, typer.Option(help="Of Keras, separated by commas.")] = BACKENDS,
    out: Annotated[Path, typer.Option(help="Folder for the results.")] = Path("benchmarks"),
) -> None:
    """Race, and print the table."""
    out.mkdir(parents=True, exist_ok=True)
    same = {"images": rows, "batch_size": batch_size}
    contenders = []
    for backend in backends.split(","):
        for name, function in ("keras_cvae", "library"), ("Keras's `fit`", "plain"):
            made = Contender(f"{name}, {backend}", f"table_loops:{function}", backend, **same)
            contenders.append(made)
    contenders.append(Contender("PyTorch loop, fused Adam", "table_loops:torch_loop", **same))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.npz"
        x = table_loops.table(rows)
        np.savez(path, images=x, labels=np.zeros(rows, "int32"), num_classes=1)
        course = Course(path, rows, rounds, 1, epochs, out / "workers.log")
        (out / "workers.log").write_text("")
        ran = course.race(contenders)
    fastest = max((c for c in ran if ":library" in c.function), key=_rate)
    names = "", "rows a second", "keras_cvae over it", "loss, nats a row", "first epoch, s"
    lines = [f"| {' | '.join(names)} |", "|---|---|---|---|---|"]
    for c in sorted(ran, key=_rate, reverse=True):
        ours = [a for a in ran if ":library" in a.function and a.backend == c.backend]
        ours = ours[0] if ours and ":plain" in c.function else fastest
        ratio = "" if ":library" in c.function else f"{ours.faster_than(c):.2f}"
        lines.append(f"| {c.name} | {_rate(c):,.0f} | {ratio} | {c.value:.2f} | {c.first:.1f} |")
    text = "\n".join(lines) + "\n"
    print(text)
    (out / "table_speed.md").write_text(text)


def _rate(contender):
    return statistics.median(contender.rates)


if __name__ == "__main__":
    typer.run(main)
