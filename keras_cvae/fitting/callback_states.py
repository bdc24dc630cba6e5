"""The state of a callback, such as what it has counted, and its settings.

A callback of any class may have `get_state()`, which returns a dict, and `set_state(state)`. Of
others the state is every attribute of plain values that is not an argument of the constructor. One
whose attribute `has_state` is False is left out, and a training may be resumed without it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import keras
import numpy as np

OF_KERAS = {"params", "_model"}
PLACES = {"filename", "filepath", "log_dir", "backup_dir"}
PLAIN = (type(None), bool, int, float, str, np.ndarray, np.generic)


def get(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Returns the state of a callback, nested plain values."""
    if hasattr(callback, "get_state"):
        return callback.get_state()
    if isinstance(callback, keras.callbacks.CSVLogger):
        text = Path(callback.filename).read_bytes().decode()  # with the ends of lines as they are
        return {"keys": callback.keys, "text": text}
    others = OF_KERAS | {*_arguments(callback)}
    return {
        name: value
        for name, value in vars(callback).items()
        if name not in others and _is_plain(value)
    }


def restore(callback: keras.callbacks.Callback, state: dict[str, Any]) -> None:
    """Sets the state of a callback, after its `on_train_begin`."""
    if hasattr(callback, "set_state"):
        callback.set_state(state)
    elif isinstance(callback, keras.callbacks.CSVLogger):  # which has begun another file
        callback.csv_file.seek(0)
        callback.csv_file.truncate()
        callback.csv_file.write(state["text"])
        callback.csv_file.flush()
        callback.keys, callback.append_header = state["keys"], not state["text"]
    else:
        vars(callback).update(state)


def settings(callback: keras.callbacks.Callback) -> dict[str, Any]:
    """Returns the arguments of a callback's constructor that are numbers or texts.

    Where it writes its files is none of them: a run may be moved.
    """
    names = [name for name in _arguments(callback) if name not in PLACES]
    values = {name: getattr(callback, name, None) for name in names}
    return {n: v for n, v in values.items() if isinstance(v, (bool, int, float, str))}


def _arguments(callback):
    return [*inspect.signature(type(callback).__init__).parameters][1:]


def _is_plain(value):
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN) and getattr(value, "dtype", None) is not np.dtype(object)
