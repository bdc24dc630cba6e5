"""Reads files that were damaged at random: does each open, or raise an error that explains it?

    PYTHONPATH=scripts python scripts/experiments/fuzz.py --count 100000

Readers may raise a `ValueError` or an `OSError`. Any other exception is printed, with the seed that
reproduces the file. So is a file that takes more than 10 seconds of processor time (or five
minutes), or that increases memory by more than 500 MB. In half of the zip and gzip files the
content is damaged and packed again, so that checksums are correct.
"""

import collections
import contextlib
import gzip
import io
import json
import resource
import signal
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from unittest import mock

import keras
import numpy as np
import pandas as pd
import typer
from experiments import damage
from PIL import Image

import keras_cvae
from keras_cvae import callbacks, datasets, networks, runs, tables
from keras_cvae.runs import comparing, report, training

ALLOWED = ValueError, OSError
SECONDS, HANGS, MEGABYTES = 10, 300, 500
ROUNDS = 8  # in one of them, models are read
RNG = np.random.default_rng(0)
ROWS = pd.DataFrame(
    {
        "sex": RNG.choice(["F", "M"], 40),
        "age": RNG.integers(18, 90, 40),
        "weight": RNG.normal(70, 9, 40).round(1),
        "seen": pd.date_range("2020-01-01", periods=40).astype(str),
    }
)
X, Y = RNG.random((20, 5, 4, 1), "float32"), np.arange(20) % 2
BESIDE = (
    "config.json",
    "history.csv",
    "metrics.json",
    "conditions.csv",
)  # files beside a run's model
MEASURES = {
    "name": "ELBO",
    "value": -1.5,
    "standard_error": 0.1,
    "unit": "nats",
    "how": "",
    "real": 2,
}
PROTOCOL = {"test_examples": 4, "seed": 0, "standard_errors": "of the mean"}


def write_bytes(name, write) -> bytes:
    """Returns the bytes that `write` writes to a file of this name."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(path)
        return path.read_bytes()


def images_file(path):
    """Writes images with labels."""
    np.savez_compressed(path, x=X, y=Y)


def idx_file(shape) -> bytes:
    """Returns the bytes of a compressed IDX file of pixels or labels."""
    values = RNG.integers(0, 256 if len(shape) > 1 else 2, shape, dtype="uint8")
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    return gzip.compress(head + values.tobytes())


IDX = {
    f"{part}-{kind}-ubyte.gz": idx_file(shape)
    for part, count in (("train", 20), ("t10k", 10))
    for kind, shape in (("images-idx3", (count, 5, 4)), ("labels-idx1", (count,)))
}


def read_idx_folder(path):
    """Reads a folder of four IDX files, of which one is damaged."""
    for name, content in IDX.items():
        (path.parent / name).write_bytes(content)
    path.replace(path.parent / "train-images-idx3-ubyte.gz")
    datasets.load(path.parent)


def picture(kind, *channels) -> bytes:
    """Returns the bytes of an image file."""
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (5, 4, *channels), dtype="uint8")).save(file, kind)
    return file.getvalue()


PICTURES = [picture("png") for _ in range(3)]


def read_image_folder(path):
    """Reads a folder of seven images, of which one is damaged."""
    for label in "ab":
        folder = path.parent / "images" / label
        folder.mkdir(parents=True)
        for number, whole in enumerate(PICTURES):
            (folder / f"{number}.png").write_bytes(whole)
    path.rename(path.parent / "images" / "a" / f"damaged{path.suffix}")
    datasets.load(path.parent / "images")


def read_table(path):
    """Reads a table and detects the kinds of its columns."""
    frame = tables.read(path)
    table = tables.Table.of(frame, ["sex"] if "sex" in frame else [])
    table.arrays(frame)


def resume_training(cvae, epochs):
    """Returns a function that reads a checkpoint and continues training."""

    def read(path):
        options = {"epochs": epochs, "batch_size": 20, "verbose": 0}
        stopper = keras.callbacks.EarlyStopping("val_elbo", mode="max", restore_best_weights=True)
        options["callbacks"] = [callbacks.Checkpoint(path), stopper]
        cvae.fit([X, Y], validation_data=([X, Y], None), **options)

    return read


def checkpoint():
    """Returns the bytes of a checkpoint after one epoch, and a function that continues from it."""
    cvae = keras_cvae.build_cvae((5, 4, 1), 2, 2, network=networks.Dense((4,)))
    cvae.compile("adam", jit_compile=keras.backend.backend() == "jax")
    return write_bytes("training.checkpoint", resume_training(cvae, 1)), resume_training(cvae, 2)


def make_run(train, data, **options) -> dict[str, bytes]:
    """Returns the files of a run after one epoch, by name."""
    options = {"network": networks.Dense((4,)), "latent_dim": 2, "epochs": 1, **options}
    patches = mock.patch.object(runs.pictures, "write"), mock.patch.object(report, "write")
    with patches[0], patches[1], mock.patch.object(runs.pictures, "write_diagrams"):
        run = train(data, data.parent / data.stem, fit_prior=False, verbose=0, **options)
    measured = {"measures": [{**MEASURES, "remark": "", "reference": None}], "protocol": PROTOCOL}
    metrics = {**run.metrics, "evaluations": {"toys": measured}}
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    return {path.name: path.read_bytes() for path in run.folder.iterdir() if path.is_file()}


def read_run(name, files):
    """Returns a function that reads a run of which one file is damaged.

    If this is not the model, the model is loaded only once. No pictures are drawn.
    """
    model = None

    def read(path):
        nonlocal model
        folder = path.parent / "run"
        folder.mkdir()
        for other, content in files.items():
            (folder / other).write_bytes(path.read_bytes() if other == name else content)
        with contextlib.ExitStack() as patches:
            if name in BESIDE:
                model = model or keras.saving.load_model(folder / "model.keras")
                patches.enter_context(
                    mock.patch.object(keras.saving, "load_model", lambda path: model)
                )
            run = runs.Run.load(folder)
            _ = run.history, run.metrics, run.unfinished
            if "conditions.csv" in files:
                _ = run.table
            if name not in BESIDE:
                return
            for owner, drawing in (comparing, "Picture"), (report, "Picture"):
                none = mock.patch.object(owner, drawing, lambda *args, **options: None)
                patches.enter_context(none)
            curves = mock.patch.object(comparing.plots, "compared_curves")
            patches.enter_context(curves)
            patches.enter_context(mock.patch.object(runs.pictures, "loss"))
            patches.enter_context(mock.patch.object(report, "verdict", lambda run: []))
            patches.enter_context(mock.patch.object(type(run), "sections", lambda run: []))
            patches.enter_context(mock.patch.object(type(run), "summary", lambda run: "a run"))
            run._repr_html_()
            comparing.write([run, run], folder / "page.html")
            report.write(run)
            if "conditions.csv" in files:
                run.generate(count=2, seed=0)

    return read


def interrupted_run(folder) -> dict[str, bytes]:
    """The files of a run that was interrupted after an epoch, and of a fitted prior."""

    def stop(epoch, logs):
        if epoch:
            raise KeyboardInterrupt

    out = folder / "interrupted"
    options = {"network": networks.Dense((4,)), "latent_dim": 2, "epochs": 2, "board": False}
    options["early_stopping"] = False
    stopper = keras.callbacks.LambdaCallback(on_epoch_begin=stop)
    with contextlib.suppress(KeyboardInterrupt):
        runs.train("digits", out, callbacks=[stopper], verbose=0, **options)
    (out / "prior.json").write_text(json.dumps({"prior": "standard_normal", "scores": {}}))
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


def resume(name, files):
    """Returns a function that resumes a run of which one file is damaged, without training."""

    def read(path):
        folder = path.parent / "run"
        folder.mkdir()
        for other, content in files.items():
            (folder / other).write_bytes(path.read_bytes() if other == name else content)
        nothing = mock.patch.object(keras_cvae.CVAE, "fit")
        # Early stopping sets its best epoch as training begins.
        best = mock.patch.object(keras.callbacks.EarlyStopping, "best_epoch", 0, create=True)
        with nothing, best, mock.patch.object(training, "_measure_and_draw"):
            runs.resume(folder, verbose=0)

    return read


def readers(folder) -> dict:
    """Returns, by kind, the bytes of an undamaged file, its name and the function that reads it."""
    cases = {
        "npz": (write_bytes("a.npz", images_file), "a.npz", datasets.load),
        "idx": (IDX["train-images-idx3-ubyte.gz"], "a.gz", read_idx_folder),
        "csv": (ROWS.to_csv(index=False).encode(), "a.csv", read_table),
        "parquet": (write_bytes("a.parquet", ROWS.to_parquet), "a.parquet", read_table),
    }
    for kind in ("png", "jpeg", "gif", "bmp", "tiff"):
        cases[kind] = picture(kind, 3), f"a.{kind}", read_image_folder
    content, read = checkpoint()
    cases["checkpoint"] = content, "training.checkpoint", read
    images_file(folder / "toys.npz")
    ROWS.to_csv(folder / "rows.csv", index=False)
    kinds = {
        "": make_run(runs.train, folder / "toys.npz"),
        "table ": make_run(runs.train_table, folder / "rows.csv", conditions=["sex"]),
    }
    for kind, files in kinds.items():
        files = {name: files[name] for name in (*BESIDE, "model.keras") if name in files}
        for name, content in files.items():
            cases[kind + name] = content, name, read_run(name, files)
    files = interrupted_run(folder)
    for name in ("config.json", "prior.json", "training.checkpoint"):
        cases[f"resumed {name}"] = files[name], name, resume(name, files)
    return cases


def memory() -> float:
    """Returns the peak memory of this process, in MB."""
    units = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / units


def try_reading(content: bytes, name: str, read) -> tuple[str, str]:
    """Reads a file; returns the outcome and its details."""
    before, start = memory(), (time.process_time(), time.monotonic())
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
    seconds = time.process_time() - start[0], time.monotonic() - start[1]
    if seconds[0] > SECONDS or seconds[1] > HANGS:
        outcome = "too long"
    if memory() - before > MEGABYTES:
        outcome = "too much memory"
    return outcome, details


def main(count: int = 1000, seed: int = 0, only: str = "") -> None:
    """Damage and read `count` files, of all kinds in turn or of one kind.

    Models, which take longest, are read in every eighth round. After Ctrl-C the results so far are
    printed.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell
    with tempfile.TemporaryDirectory() as folder:
        cases = readers(Path(folder))
    quick = [name for name in cases if not name.endswith("model.keras")]
    order = [only] if only else [*cases, *quick * (ROUNDS - 1)]
    outcomes = collections.Counter()
    for number in range(count):
        name = order[number % len(order)]
        content, file, read = cases[name]
        damaged = damage.damage(content, np.random.default_rng([seed, number]))
        try:
            outcome, details = try_reading(damaged, file, read)
        except KeyboardInterrupt:
            break
        outcomes[name, outcome] += 1
        if outcome not in ("opened", "refused"):
            print(f"{name}, seed {seed}, number {number}: {outcome}\n{details}", flush=True)
        if number % 500 == 499:
            keras.utils.clear_session()
        if number % 10_000 == 9_999:
            print(f"{number + 1} files", flush=True)
    for (name, outcome), times in sorted(outcomes.items()):
        print(f"{name:22} {outcome:16} {times}")
    bad = sum(times for (_, end), times in outcomes.items() if end not in ("opened", "refused"))
    files = outcomes.total()
    print(json.dumps({"files": files, "faults": bad, "keras_cvae": keras_cvae.__version__}))
    raise typer.Exit(bool(bad))


if __name__ == "__main__":
    typer.run(main)
