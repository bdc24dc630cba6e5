"""Kills training at random moments and resumes it: is the result equal to that without a kill?

    python scripts/experiments/kill_and_resume.py
    KERAS_BACKEND=jax python scripts/experiments/kill_and_resume.py --kills 20 --data PyDataset

In a separate process, a small model is trained with a checkpoint, early stopping, a decreasing
learning rate and a log; then its prior is fitted, and the model is measured. SIGKILL ends this
process while it writes the checkpoint, trains, fits the prior or measures. The process is started
again until it completes. Then all variables, the optimizer, the noise, the history, the log, the
state of the callbacks, the fitted prior and the measures must be equal bit for bit. With `--data
run`, it is a whole run that is killed, also while it draws its pictures; all its files except the
report must be equal.
"""

import contextlib
import hashlib
import importlib
import json
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import callbacks, conditions, evaluation, networks, runs
from keras_cvae.fitting import inside

RESULT, OUTPUT, CHECKPOINT = "result.json", "output.txt", "training.checkpoint"
STAGES = "Training", "Fitting", "Measuring", "Drawing"  # a process prints them as they start
MOMENTS = "writing", "Training", "writing", "Training", "Fitting", "Measuring"
DATA = "arrays", "PyDataset", "tf.data", "DataLoader", "grain", "run"
BATCH = 32


class Batches(keras.utils.PyDataset):
    """Batches of rows in another order each epoch."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y = x, y
        self.rng, self.order = np.random.default_rng(1), np.arange(len(x))

    def __len__(self):
        return len(self.x) // BATCH

    def __getitem__(self, number):
        rows = self.order[BATCH * number : BATCH * (number + 1)]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


def batches(kind: str, x, y):
    """Returns a stream of this kind, which yields the same batches in every process."""
    if kind == "PyDataset":
        return Batches(x, y)
    if kind == "tf.data":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=1).batch(BATCH)
    if kind == "DataLoader":
        import torch

        rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        order = torch.Generator().manual_seed(1)
        return torch.utils.data.DataLoader(rows, BATCH, shuffle=True, generator=order)
    import grain

    rows = [*zip(x, y, strict=True)]
    return grain.MapDataset.source(rows).seed(1).shuffle().repeat().batch(BATCH)  # endless


def digest(values) -> list[str]:
    """Returns digests of variables or arrays."""
    arrays = (np.asarray(keras.ops.convert_to_numpy(value)) for value in values)
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]


def train(folder: Path, data: str, epochs: int) -> dict:
    """Trains, or continues training; returns all results that are compared."""
    keras.utils.set_random_seed(0)
    x_train, y_train, x_test, y_test, _ = keras_cvae.datasets.load("digits")
    x_train, y_train, x_test, y_test = x_train[:512], y_train[:512], x_test[:96], y_test[:96]
    parts = {"network": networks.Dense((16,)), "objective": "warmup", "corruption": "gaussian"}
    condition = conditions.Classes(10, dropout=0.1)
    cvae = keras_cvae.build_cvae((8, 8, 1), condition, 4, **parts)
    cvae.compile(keras.optimizers.Adam(1e-3), jit_compile=keras.backend.backend() == "jax")
    monitor = {"monitor": "val_elbo", "mode": "max"}
    stop = keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True, **monitor)
    reduce = keras.callbacks.ReduceLROnPlateau(patience=2, **monitor)
    all_callbacks = [
        callbacks.Checkpoint(folder / CHECKPOINT),
        stop,
        reduce,
        keras.callbacks.CSVLogger(folder / "log.csv"),
    ]
    options = {"epochs": epochs, "callbacks": all_callbacks, "verbose": 0}
    options["validation_data"] = ([x_test, y_test], None)
    print("Training", flush=True)
    if data == "arrays":
        history = cvae.fit([x_train, y_train], batch_size=BATCH, **options)
    else:
        if data == "grain":
            options["steps_per_epoch"] = len(x_train) // BATCH
        history = cvae.fit(batches(data, x_train, y_train), **options)
    variables = [*cvae.variables, *cvae.optimizer.variables, *inside.generator_states(cvae)]
    variables = digest(variables)
    print("Fitting the prior", flush=True)
    report = cvae.fit_prior([x_train, y_train], validation_data=([x_test, y_test], None))
    print("Measuring", flush=True)
    bound = evaluation.bound(cvae, x_test, y_test, draws=20, seed=0)
    return {
        "variables": variables,
        "history": history.history,
        "epochs": history.epoch,
        "log": (folder / "log.csv").read_bytes().decode(),
        "callbacks": [stop.wait, stop.best, reduce.wait, reduce.best],
        "prior": [report["prior"], *digest([*cvae.variables, *inside.generator_states(cvae)])],
        "measures": {name: each.value for name, each in bound.items()},
        "generated": digest([cvae.generate(y_test)]),
    }


def make_run(folder: Path, epochs: int) -> dict:
    """Makes a run, or resumes it; returns all results that are compared."""
    out = folder / "run"
    print("Training", flush=True)
    if (out / CHECKPOINT).exists() or (out / "metrics.json").exists():
        run = runs.resume(out, verbose=2)
    else:
        options = {"network": networks.Dense((16,)), "latent_dim": 4, "force": True}
        run = runs.train("digits", out, epochs=epochs, board=False, verbose=2, **options)
    files = [path for path in sorted(out.iterdir()) if path.name != "model.keras"]
    contents = {path.name: path.read_bytes() for path in files if path.suffix != ".html"}
    saved = keras.saving.load_model(out / "model.keras")
    return {
        "files": [path.name for path in files],
        **{name: hashlib.sha256(each).hexdigest() for name, each in contents.items()},
        "model": digest([*saved.variables, *inside.generator_states(saved)]),
        "epoch": run.best_epoch if run.best_epoch is None else int(run.best_epoch),
    }


def start(folder: Path, data: str, epochs: int) -> int:
    """Trains in a new process; returns its id."""
    (folder / OUTPUT).write_text("")
    process = os.fork()  # before the backend has threads: the modules need not be imported again
    if process:
        return process
    try:
        os.dup2(os.open(folder / OUTPUT, os.O_WRONLY | os.O_APPEND), 1)
        result = make_run(folder, epochs) if data == "run" else train(folder, data, epochs)
        unfinished = folder / f"{RESULT}.unfinished"
        unfinished.write_text(json.dumps(result))
        os.replace(unfinished, folder / RESULT)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        os._exit(0)


def stage(folder: Path) -> int:
    """Returns the index of the current stage of a process, -1 before the first."""
    text = (folder / OUTPUT).read_text()
    return max((n for n, name in enumerate(STAGES) if name in text), default=-1)


def durations(process: int, folder: Path) -> dict[str, float]:
    """Waits for a process to end; returns the seconds that each stage takes, by name."""
    seconds = dict.fromkeys(STAGES, 0.0)
    before = time.monotonic()
    while not os.waitpid(process, os.WNOHANG)[0]:
        time.sleep(0.02)
        now = time.monotonic()
        if (number := stage(folder)) >= 0:
            seconds[STAGES[number]] += now - before
        before = now
    return seconds


def kill(process: int, folder: Path, data: str, moment: str, seconds: float) -> str | None:
    """Kills a process some seconds after the start of a stage, or at the next write after that.

    Returns the stage in which it was killed, or None if it had ended before.
    """
    out = folder / "run" if data == "run" else folder
    unfinished, start, since = out / f"{CHECKPOINT}.unfinished", time.time(), None

    def is_writing():  # the file of an earlier kill is older
        try:
            return unfinished.stat().st_mtime > start
        except FileNotFoundError:
            return False

    first = 0 if moment == "writing" else STAGES.index(moment)
    while True:
        if os.waitpid(process, os.WNOHANG)[0]:
            return None
        if since is None and stage(folder) >= first:
            since = time.monotonic()
        is_time = since is not None and time.monotonic() > since + seconds
        if is_time and (moment != "writing" or is_writing()):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "writing" if is_writing() else STAGES[max(0, stage(folder))]
        time.sleep(0.0003 if is_time else 0.01)


def main(
    kills: Annotated[int, typer.Option(help="The least number of kills.")] = 20,
    data: Annotated[str, typer.Option(help=f"One of {', '.join(DATA)}.")] = "arrays",
    epochs: Annotated[int, typer.Option(help="Epochs per training.")] = 20,
    seed: Annotated[int, typer.Option(help="Seed of the moments of the kills.")] = 0,
) -> None:
    """Kill training, resume it and compare the results."""
    for name in ("tensorflow", "sklearn.mixture", "matplotlib.pyplot"):  # before the first fork
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    rng = np.random.default_rng(seed)
    moments = [*MOMENTS, "Drawing"] if data == "run" else [*MOMENTS]
    with tempfile.TemporaryDirectory() as root:
        results = []
        for name in ("whole", "again"):  # the second takes as long as those that are killed
            folder = Path(root, name)
            folder.mkdir()
            seconds = durations(start(folder, data, epochs), folder)
            results.append(json.loads((folder / RESULT).read_text()))
        expected, again = results
        if differ := [name for name in expected if again.get(name) != expected[name]]:
            print(f"Two results without a kill differ in {', '.join(differ)}", flush=True)
            raise typer.Exit(1)
        shown = ", ".join(f"{name} {each:.0f} s" for name, each in seconds.items() if each)
        print(f"{keras.backend.backend()}, {data}: {shown}", flush=True)
        stages, number, equal = [], 0, 0
        while len(stages) < kills:
            folder = Path(root, str(number))
            folder.mkdir()
            killed_in = []
            for moment in moments:
                longest = seconds["Training" if moment == "writing" else moment]
                wait = rng.uniform(0, (0.5 if moment == "writing" else 1) * longest)
                ended = kill(start(folder, data, epochs), folder, data, moment, wait)
                killed_in += [ended] if ended else []
            os.waitpid(start(folder, data, epochs), 0)
            result = json.loads((folder / RESULT).read_text())
            differ = [name for name in expected if result.get(name) != expected[name]]
            stages, number, equal = stages + killed_in, number + 1, equal + (not differ)
            same = f"all but {', '.join(differ)}" if differ else "all"
            print(f"training {number}: killed in {', '.join(killed_in)}; equal: {same}", flush=True)
        counts = ", ".join(f"{stages.count(name)} in {name}" for name in sorted({*stages}))
        print(
            f"{len(stages)} kills ({counts}); {equal} of {number} results are equal bit for "
            "bit to the one without a kill"
        )
        if equal < number:
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
