"""Reads files that have been damaged at random: each must open or be refused in words.

    python scripts/experiments/fuzz.py --count 100000

What a reader raises must be a `ValueError` or an `OSError`; anything else is printed with the seed
that makes the file again, and so is a file that takes more than 10 seconds of the processor (or
five minutes), or by which memory grows by more than 500 MB.
"""

import collections
import gzip
import io
import json
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import typer
from PIL import Image

import keras_cvae
from keras_cvae import datasets, networks, runs, tables

ALLOWED = ValueError, OSError
SECONDS, HANGS, MEGABYTES = 10, 300, 500
RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "sex": RNG.choice(["F", "M"], 40),
        "age": RNG.integers(18, 90, 40),
        "weight": RNG.normal(70, 9, 40).round(1),
        "seen": pd.date_range("2020-01-01", periods=40).astype(str),
    }
)


def saved(name, content) -> bytes:
    """The bytes that a writer leaves in a file of this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        content(path)
        return path.read_bytes()


def images_file(path):
    """Writes images with labels."""
    np.savez_compressed(path, x=RNG.random((20, 5, 4, 1), "float32"), y=np.arange(20) % 2)


def idx_file(shape) -> bytes:
    """The bytes of a compressed IDX file, of pixels or of labels."""
    values = RNG.integers(0, 256 if len(shape) > 1 else 2, shape, dtype="uint8")
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return gzip.compress(head + values.tobytes())


def read_idx_folder(path):
    """The file is one of four, of which the others are whole."""
    for part, count in ("train", 20), ("t10k", 10):
        (path.parent / f"{part}-images-idx3-ubyte.gz").write_bytes(idx_file((count, 5, 4)))
        (path.parent / f"{part}-labels-idx1-ubyte.gz").write_bytes(idx_file((count,)))
    path.rename(path.parent / "train-images-idx3-ubyte.gz")
    datasets.load(path.parent)


def read_image_folder(path):
    """The file is one image of seven, of which the others are whole."""
    content = path.read_bytes()
    for label in "ab":
        (path.parent / "images" / label).mkdir(parents=True)
        for number in range(3):
            whole = Image.fromarray(np.full((5, 4), 40 * number, "uint8"))
            whole.save(path.parent / "images" / label / f"{number}.png")
    (path.parent / "images" / "a" / f"damaged{path.suffix}").write_bytes(content)
    datasets.load(path.parent / "images")


def picture(kind) -> bytes:
    """The bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (5, 4, 3), dtype="uint8")).save(file, kind)
    return file.getvalue()


def read_table(path):
    """Reads a table and decides what its columns are."""
    frame = tables.read(path)
    table = tables.Table.of(frame, ["sex"] if "sex" in frame else [])
    table.arrays(frame)


def made_run(folder) -> runs.Run:
    """A run that was trained for a moment."""
    images_file(folder / "toys.npz")
    options = {"network": networks.Dense((4,)), "latent_dim": 2, "epochs": 1, "verbose": 0}
    return runs.train(folder / "toys.npz", folder / "run", fit_prior=False, **options)


def read_run(name, files):
    """A reader of a run's folder of which one file is damaged."""

    def read(path):
        folder = path.parent / "run"
        folder.mkdir()
        for other, content in files.items():
            (folder / other).write_bytes(path.read_bytes() if other == name else content)
        run = runs.Run.load(folder)
        _ = run.history, run.metrics, run.unfinished

    return read


def readers(folder) -> dict:
    """By name, the bytes of a whole file, its name, and the function that reads it."""
    found = {
        "npz": (saved("a.npz", images_file), "a.npz", datasets.load),
        "idx": (idx_file((20, 5, 4)), "a.gz", read_idx_folder),
        "csv": (ROWS.to_csv(index=False).encode(), "a.csv", read_table),
        "parquet": (saved("a.parquet", ROWS.to_parquet), "a.parquet", read_table),
    }
    for kind in ("png", "jpeg", "gif", "bmp", "tiff"):
        found[kind] = picture(kind), f"a.{kind}", read_image_folder
    run = made_run(folder)
    files = {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}
    files = {n: files[n] for n in ("config.json", "history.csv", "metrics.json", "model.keras")}
    for name, content in files.items():
        found[name] = content, name, read_run(name, files)
    return found


def damaged(content: bytes, rng) -> bytes:
    """The bytes with some changed, removed, repeated or put in; or numbers of a text replaced."""
    data = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place, size = int(rng.integers(len(data) + 1)), int(rng.integers(1, 17))
        kind = rng.integers(6)
        if kind == 0 and data:
            data[place % len(data)] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            data[place : place + size] = rng.bytes(size)
        elif kind == 2:
            del data[place : place + size]
        elif kind == 3:
            data[place:place] = data[place : place + size] * int(rng.integers(1, 4))
        elif kind == 4:
            del data[place:]
        else:
            texts = [b"-1", b"1e400", b"NaN", b"null", b"{", b"\xff\xfe", b"9" * 30, b"\x00", b'"']
            data[place : place + 2] = texts[rng.integers(len(texts))]
    return bytes(data)


def memory() -> float:
    """The greatest memory of this process so far, in MB."""
    units = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def fault(content: bytes, name: str, read) -> tuple[str, str]:
    """How reading a file ended: `(outcome, details)`."""
    before, begun = memory(), (time.process_time(), time.monotonic())
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                read(path)
            outcome, details = "opened", ""
        except ALLOWED:
            outcome, details = "refused", ""
        except Exception:
            outcome, details = "traceback", traceback.format_exc()
    took = time.process_time() - begun[0], time.monotonic() - begun[1]
    if took[0] > SECONDS or took[1] > HANGS:
        outcome = "too long"
    if memory() - before > MEGABYTES:
        outcome = "too much memory"
    return outcome, details


def main(count: int = 1000, seed: int = 0, only: str = "") -> None:
    """Damage and read `count` files, of all kinds in turn, or of one kind."""
    with tempfile.TemporaryDirectory() as folder:
        known = readers(Path(folder))
    known = {only: known[only]} if only else known
    outcomes = collections.Counter()
    bad = 0
    for number in range(count):
        name = [*known][number % len(known)]
        content, file, read = known[name]
        rng = np.random.default_rng([seed, number])
        outcome, details = fault(damaged(content, rng), file, read)
        outcomes[name, outcome] += 1
        if outcome not in ("opened", "refused"):
            bad += 1
            print(f"{name}, seed {seed}, number {number}: {outcome}\n{details}", flush=True)
        if number % 500 == 499:
            keras.utils.clear_session()
    for (name, outcome), times in sorted(outcomes.items()):
        print(f"{name:14} {outcome:16} {times}")
    print(json.dumps({"files": count, "faults": bad, "keras_cvae": keras_cvae.__version__}))
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)
