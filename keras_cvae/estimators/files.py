"""Keras models as bytes of .keras files, which pickles of estimators hold."""

from __future__ import annotations

import tempfile
from pathlib import Path

import keras


def to_bytes(model: keras.Model) -> bytes:
    """The `.keras` file of a model."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def from_bytes(content: bytes) -> keras.Model:
    """The model of a `.keras` file, loaded in safe mode: nothing in it is run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        return keras.saving.load_model(path, safe_mode=True)


def with_model(state: dict, convert) -> dict:
    """The state of an estimator, whose `model_` is converted where it has one."""
    return {name: convert(v) if name == "model_" else v for name, v in state.items()}
