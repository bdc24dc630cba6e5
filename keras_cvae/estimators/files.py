"""Keras models as the bytes of .keras files, for pickles of estimators."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras


def to_bytes(model: keras.Model) -> bytes:
    """Returns the bytes of a model's `.keras` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return path.read_bytes()


def from_bytes(content: bytes) -> keras.Model:
    """Loads the model of a `.keras` file in safe mode, which runs no code in it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        path.write_bytes(content)
        return keras.saving.load_model(path, safe_mode=True)


def with_model(state: dict, convert: Callable) -> dict:
    """Returns the state of an estimator with its `model_`, if any, converted."""
    return {name: convert(v) if name == "model_" else v for name, v in state.items()}
