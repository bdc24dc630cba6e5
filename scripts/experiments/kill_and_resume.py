"""Kills trainings at random moments, and resumes them: equal to the bit to one never killed.

    python scripts/experiments/kill_and_resume.py
    KERAS_BACKEND=jax python scripts/experiments/kill_and_resume.py --kills 20 --data PyDataset

A small model is trained with a checkpoint, early stopping, a falling learning rate and a log, in a
process of its own. SIGKILL ends it: every other time while the checkpoint is being written, else
after a random time. It is started again until it ends by itself. Then all variables, the optimizer,
the noise, the history, the log and what the callbacks have counted must be equal.
"""

import hashlib
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
from keras_cvae import callbacks, conditions, networks
from keras_cvae.fitting import inside

RESULT, UNFINISHED = "result.json", "checkpoint.unfinished"


class Batches(keras.utils.PyDataset):
    """Batches of rows in another order each epoch."""

    def __init__(self, x, y, size: int = 64):
        super().__init__()
        self.x, self.y, self.size = x, y, size
        self.rng, self.order = np.random.default_rng(1), np.arange(len(x))

    def __len__(self):
        return len(self.x) // self.size

    def __getitem__(self, number):
        rows = self.order[self.size * number : self.size * (number + 1)]
        return self.x[rows], self.y[rows]

    def on_epoch_end(self):
        self.order = self.rng.permutation(len(self.x))


def batches(kind: str, x, y):
    """A stream of a kind, which yields the same batches in every process."""
    if kind == "PyDataset":
        return Batches(x, y)
    if kind == "tf.data":
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=1).batch(64)
    if kind == "DataLoader":
        import torch

        rows = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        order = torch.Generator().manual_seed(1)
        return torch.utils.data.DataLoader(rows, 64, shuffle=True, generator=order)
    import grain

    rows = [*zip(x, y, strict=True)]
    return grain.MapDataset.source(rows).seed(1).shuffle().repeat().batch(64)  # has no end


def train(folder: Path, data: str, epochs: int) -> None:
    """Trains, or goes on; writes a digest of all that is compared."""
    keras.utils.set_random_seed(0)
    x_train, y_train, x_test, y_test, _ = keras_cvae.datasets.load("digits")
    parts = {"network": networks.Dense((32,)), "objective": "warmup", "corruption": "gaussian"}
    condition = conditions.Classes(10, dropout=0.1)
    cvae = keras_cvae.build_cvae((8, 8, 1), condition, 4, **parts)
    cvae.compile(keras.optimizers.Adam(1e-3), jit_compile=keras.backend.backend() == "jax")
    monitor = {"monitor": "val_elbo", "mode": "max"}
    kept = [
        callbacks.Checkpoint(folder / "checkpoint"),
        keras.callbacks.EarlyStopping(patience=8, restore_best_weights=True, **monitor),
        keras.callbacks.ReduceLROnPlateau(patience=2, **monitor),
        keras.callbacks.CSVLogger(folder / "log.csv"),
    ]
    options = {"epochs": epochs, "callbacks": kept, "verbose": 0}
    options["validation_data"] = ([x_test, y_test], None)
    if data == "arrays":
        history = cvae.fit([x_train, y_train], batch_size=64, **options)
    else:
        if data == "grain":
            options["steps_per_epoch"] = len(x_train) // 64
        history = cvae.fit(batches(data, x_train, y_train), **options)
    variables = [*cvae.variables, *cvae.optimizer.variables, *inside.generator_states(cvae)]
    arrays = [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]
    result = {
        "variables": [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays],
        "history": history.history,
        "epochs": history.epoch,
        "log": (folder / "log.csv").read_text(),
        "counted": [kept[1].wait, kept[1].best, kept[2].wait, kept[2].best],
        "next": np.random.random(),
    }
    unfinished = folder / f"{RESULT}.unfinished"
    unfinished.write_text(json.dumps(result))
    os.replace(unfinished, folder / RESULT)


def start(folder: Path, data: str, epochs: int) -> int:
    """Trains in a new process; returns its number."""
    process = os.fork()  # before the backend has threads: the modules need not be imported again
    if process:
        return process
    try:
        train(folder, data, epochs)
    finally:
        os._exit(0)


def kill(process: int, folder: Path, seconds: float, while_saving: bool) -> str | None:
    """Kills a process after some seconds, or while it then writes; returns when that was.

    It returns None if the process had ended before.
    """
    until, begun, unfinished = time.monotonic() + seconds, time.time(), folder / UNFINISHED

    def is_writing():  # the file of an earlier kill is older
        try:
            return unfinished.stat().st_mtime > begun
        except FileNotFoundError:
            return False

    while True:
        if os.waitpid(process, os.WNOHANG)[0]:
            return None
        if time.monotonic() > until and (not while_saving or is_writing()):
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return "while it wrote" if is_writing() else "between writes"
        time.sleep(0.0003 if while_saving and time.monotonic() > until else 0.01)


def main(
    kills: Annotated[int, typer.Option(help="The number of kills.")] = 20,
    data: Annotated[
        str, typer.Option(help="arrays, PyDataset, tf.data, DataLoader or grain.")
    ] = "arrays",
    epochs: Annotated[int, typer.Option(help="Epochs of a training.")] = 20,
    each: Annotated[int, typer.Option(help="Kills of one training, at most.")] = 5,
    seed: Annotated[int, typer.Option(help="Seed of the moments.")] = 0,
) -> None:
    """Kills trainings, resumes and compares them."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as root:
        whole = Path(root, "whole")
        whole.mkdir()
        begun = time.monotonic()
        os.waitpid(start(whole, data, epochs), 0)
        seconds = time.monotonic() - begun
        expected = json.loads((whole / RESULT).read_text())
        print(f"{keras.backend.backend()}, {data}: {len(expected['epochs'])} epochs", flush=True)
        moments, number, equal = [], 0, 0
        while len(moments) < kills:
            folder = Path(root, str(number))
            folder.mkdir()
            killed = []
            while len(killed) < min(each, kills - len(moments)):
                process = start(folder, data, epochs)
                moment = kill(process, folder, rng.uniform(0, 0.7 * seconds), len(killed) % 2 == 0)
                if not moment:  # it had ended
                    break
                killed.append(moment)
            os.waitpid(start(folder, data, epochs), 0)
            result = json.loads((folder / RESULT).read_text())
            differ = [name for name in expected if result[name] != expected[name]]
            moments, number, equal = moments + killed, number + 1, equal + (not differ)
            kept = f"all but {', '.join(differ)}" if differ else "all"
            print(
                f"training {number}: {', '.join(killed) or 'not killed'}; equal: {kept}", flush=True
            )
        print(
            f"{len(moments)} kills, {moments.count('while it wrote')} of them while the checkpoint "
            f"was written; {equal} of {number} trainings equal the one never killed, to the bit"
        )
        if equal < number:
            raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
