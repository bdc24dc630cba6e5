"""Training that continues after an interruption."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path
from typing import Any

from keras_cvae import processes
from keras_cvae.checks import explain, require
from keras_cvae.fitting import state_files
from keras_cvae.fitting.keeping import Keeper

NAMES = {"name", "registered_name", "inbound_nodes", "input_layers", "output_layers"}
SHOWN = 5  # differences in a message


class Checkpoint(Keeper):
    """Saves the state of training to a file, from which the same `fit` continues if interrupted.

    The file is written before the first epoch and at the end of each. If it exists, `fit` continues
    after its last epoch, and gives the same result as without the interruption: weights, optimizer,
    noise, order of rows, history, and the states of the other callbacks, such as the best weights
    and the epochs without improvement of `EarlyStopping`. On a CPU the result is equal bit for bit.
    An incomplete epoch is repeated.

    The previous file is kept until the new one is completely on the disk. Reading it runs no code.

    A stream is read again from its start, without training, up to the next epoch. It must yield the
    same batches as before, so its shuffling must be seeded. If the package takes the steps, other
    batches raise an error.

    Training that has finished does not start again: delete the file to train from the beginning, or
    pass more `epochs` to continue. Each `fit` needs a separate file.

    The state of a callback of your own class is saved too: its attributes that are numbers, texts,
    arrays, and lists and dicts of these, except for arguments of its constructor; or, if the class
    has these methods, the result of `get_state()`, which is passed to `set_state(state)`.

    If several processes train a model, the first writes the file, and all read it.

    Args:
        path: The file; its folder is created if it does not exist.
        force: Whether to continue if data, settings or versions differ from those of the file. A
            warning then lists the differences.

    Raises:
        ValueError: In `fit`, before training: if the file is damaged; or if data, settings or
            versions differ, with a list of the differences.

    Example:
    ```python
    checkpoint = keras_cvae.callbacks.Checkpoint("checkpoints/digits")
    cvae.fit([x_train, y_train], epochs=100, callbacks=[checkpoint])
    ```
    """

    def __init__(self, path: str | os.PathLike, force: bool = False):
        super().__init__()
        self._path, self._force = Path(path), force
        self._has_ended = False

    def load(self, settings) -> dict[str, Any] | None:
        expected = "must be a new one, with a new file, for each `fit`"
        require(not self._has_ended, "Checkpoint", expected, f"that of '{self._path}' again")
        if not processes.agree(self._path.exists()):  # before the first process makes it
            with explain("path", "must be in a folder that can be written to", OSError):
                self._path.parent.mkdir(parents=True, exist_ok=True)
            return None
        state = state_files.read(self._path)
        expected = f"'{self._path}' must contain the state of a training, undamaged"
        with explain(None, expected):
            changes = differences(state["settings"], settings)
            epoch, is_finished = state["epoch"], is_over(state, self.params["epochs"])
        if changes and self._force:
            warnings.warn(
                f"'{self._path}' is of another training: {join_sentences(changes)}", stacklevel=2
            )
        expected = f"'{self._path}' must be the checkpoint of this training"
        advice = (
            "force=True",
            "resumes anyway; with another file, training starts from the beginning",
        )
        require(self._force or not changes, None, expected, join_sentences(changes), advice)
        if self.params["verbose"]:
            left = "training is finished" if is_finished else "training continues"
            epochs = f"epoch {epoch} of {self.params['epochs']}"
            print(f"'{self._path}' has {epochs}: {left}", flush=True)
        return state

    def store(self, state) -> None:
        if processes.number() == 0:
            state_files.write(self._path, state)

    def on_train_end(self, logs=None) -> None:
        self._has_ended = True


def is_over(state: dict[str, Any], epochs: int) -> bool:
    """Returns whether training has ended, or has reached `epochs`."""
    return state["is_over"] or state["epoch"] >= epochs


def differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """Returns a sentence for each difference between the settings of two calls of `fit`."""
    before, now = ({**each, "model": _without_names(each["model"])} for each in (before, now))
    return [*_differences(before, now, ())]


def join_sentences(sentences: list[str]) -> str:
    """Returns the first of these sentences, and the number of the others."""
    others = len(sentences) - SHOWN
    return "; ".join(sentences[:SHOWN]) + (f"; and {others} more" if others > 0 else "")


def _differences(before, now, path):
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), (*path, str(key)))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for pair in zip(before, now, strict=True):
            name = next((str(e["class"]) for e in pair if isinstance(e, dict) and "class" in e), "")
            yield from _differences(*pair, (*path, *filter(None, [name])))
    elif before != now and not (before != before and now != now):  # NaN
        yield f"{' '.join(path)} was {_short(before)}, is {_short(now)}"


def _short(value):
    if isinstance(value, list) and all(isinstance(e, dict) and "class" in e for e in value):
        value = ", ".join(str(each["class"]) for each in value)
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 100 else f"{text[:100]}..."


def _without_names(text):
    """Returns the config of a model without names, which Keras numbers in each process."""

    def without(value):
        if isinstance(value, dict):
            layer = {"class": value["class_name"]} if "class_name" in value else {}
            kept = {key: without(each) for key, each in value.items() if key not in NAMES}
            return {**layer, **kept}
        return [*map(without, value)] if isinstance(value, list) else value

    return without(json.loads(text)) if text else None
