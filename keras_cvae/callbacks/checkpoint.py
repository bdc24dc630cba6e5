"""Training that goes on after it was killed."""

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
    """Keeps the state of a training in a file, so that the same `fit` goes on after it was killed.

    The file is written before the first epoch and at the end of each. Where it is there already,
    `fit` goes on after its last epoch, and ends as if it had never been interrupted: with the same
    weights, optimizer, noise, order of rows, history, and states of the other callbacks, such as
    what `EarlyStopping` has counted and which weights were best. On a CPU they are equal bit for
    bit. An epoch that was not over is trained again from its beginning.

    The former file stays until all of the new one is on the disk. Reading it runs no code.

    A stream is read again from its start, without training on it, up to the epoch that comes next.
    It must yield the same batches as before: seed what shuffles it. This is checked where the
    package takes the steps, so that other batches are an error.

    A training that is over is not trained again: delete the file to begin anew, or pass more
    `epochs` to go on. Each `fit` needs a file of its own.

    A callback of your own class is kept too: its attributes of numbers, texts, arrays, and lists
    and dicts of these, except for arguments of its constructor; or what its `get_state()` returns
    and its `set_state(state)` takes.

    Where several processes train a model, the first writes the file, and all read it.

    Args:
        path: The file; its folder is made if missing.
        force: Whether to go on although data, settings or versions are not those of the file. A
            warning then says what differs.

    Raises:
        ValueError: In `fit`, before training: if the file is damaged; or if data, settings or
            versions differ, with what differs.

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
        expected = "must be a new one, with a file of its own, for each `fit`"
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
            warnings.warn(f"'{self._path}' is of another training: {listed(changes)}", stacklevel=2)
        expected = f"'{self._path}' must be the checkpoint of this training"
        advice = ("force=True", "resumes anyway; with another file, training starts anew")
        require(self._force or not changes, None, expected, listed(changes), advice)
        if self.params["verbose"]:
            left = "nothing is left to train" if is_finished else "training goes on"
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
    """Returns what differs between the settings of two trainings, in words."""
    before, now = ({**each, "model": _without_names(each["model"])} for each in (before, now))
    return [*_differences(before, now, ())]


def listed(sentences: list[str]) -> str:
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
