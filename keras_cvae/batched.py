"""Prediction in batches of few shapes, so that models are compiled rarely."""

from __future__ import annotations

import weakref
from typing import Any

import keras
import numpy as np

from keras_cvae.fitting import custom_gradients, inside, retracing

BATCH_SIZE = 512
_PREPARED = weakref.WeakKeyDictionary()  # model: (fingerprint, function of model and batch)


def predict(model: keras.Model, data, batch_size: int = BATCH_SIZE) -> Any:
    """Applies a model to arrays, batch by batch, into arrays that are allocated once.

    Every batch has `batch_size` rows, the last one padded; fewer rows than that are padded to a
    power of two. So a model is compiled for a few shapes, while `keras.Model.predict` compiles it
    for every size of the last batch. It is compiled again if its variables or dtype policies have
    changed since the last call, by LoRA or quantization.

    Args:
        model: A built Keras model, of one or more inputs and outputs.
        data: An array, or a list of arrays, of `count` rows each, at least one.
        batch_size: Number of rows of a batch.

    Returns:
        The model's outputs: an array, or a list of arrays, of `count` rows each.
    """
    count = len(keras.tree.flatten(data)[0])
    size = min(batch_size, 1 << (count - 1).bit_length())
    fingerprint, apply = _PREPARED.get(model, (None, None))
    if fingerprint is None or not fingerprint.is_of(model):
        model.make_predict_function(force=True)
        apply = _batch_function()
        _PREPARED[model] = inside.Fingerprint(model), apply
    results = None
    for start in range(0, count, size):
        rows = slice(start, start + size)
        if start + size > count:
            rows = np.minimum(np.arange(start, start + size), count - 1)  # the last row, repeated
        batch = keras.tree.map_structure(lambda a, r=rows: a[r], data)
        with custom_gradients.forget(), retracing.silence():
            outputs = apply(model, batch)
        if results is None:
            results = keras.tree.map_structure(
                lambda output: np.empty((count, *output.shape[1:]), output.dtype), outputs
            )
        for result, output in zip(*map(keras.tree.flatten, (results, outputs)), strict=True):
            kept = result[start : start + size]
            kept[:] = output[: len(kept)]
    return results


def _batch_function():
    """Returns a function that applies a model to a batch; on torch it bypasses Keras's layers."""
    if keras.backend.backend() == "torch":
        from keras_cvae.fitting import torch_steps

        return torch_steps.Predictions()
    return keras.Model.predict_on_batch
