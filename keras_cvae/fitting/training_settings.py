"""What a training depends on: its data, settings and versions, to be compared with another's."""

from __future__ import annotations

import platform
import sys
from typing import Any

import keras
import numpy as np

from keras_cvae.data import inputs
from keras_cvae.fitting.reading import checksum

STREAM = "a stream"


def of(model, options) -> dict[str, Any]:
    """Returns what a training depends on: data, settings and versions, as numbers and texts.

    Args:
        model: The model.
        options: Arguments of `fit`, as its user has passed them.
    """
    names = "steps_per_epoch", "validation_split", "validation_freq", "validation_steps"
    fit = {"batch_size": options["batch_size"] or 32, "shuffle": bool(options["shuffle"])}
    fit |= {"initial_epoch": options["initial_epoch"], **{name: options[name] for name in names}}
    backend = keras.backend.backend()
    modules = {name: sys.modules.get(name) for name in ("keras", "keras_cvae", "numpy", backend)}
    versions = {n: getattr(m, "__version__", "unknown") for n, m in modules.items()}
    held_out = keras.utils.unpack_x_y_sample_weight(options["validation_data"])
    try:
        config = model.to_json()
    except Exception:  # of a layer that has no config
        config = None
    return {
        "data": {
            "training data": _describe((options["x"], options["y"])),
            "validation data": _describe(held_out),
        },
        "fit": fit,
        "model": config,
        "versions": {"python": platform.python_version(), **versions, "backend": backend},
    }


def _describe(data):
    """Returns the shapes, types and a checksum of arrays, or the word for a stream."""
    if data[0] is not None and inputs.is_stream(data[0]):
        return STREAM
    digest = 0
    arrays = keras.tree.flatten([part for part in data if part is not None])
    for array in arrays:
        for start in range(0, len(array), 2**16):
            digest = checksum(np.asarray(array[start : start + 2**16]), digest)
    shapes = ", ".join(f"{array.dtype} of {tuple(array.shape)}" for array in arrays)
    return f"{shapes}, checksum {digest:08x}"
