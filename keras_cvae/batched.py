"""Running a model over many rows: batches of few shapes, so that nothing is compiled anew."""

from __future__ import annotations

import weakref

import keras
import numpy as np

from keras_cvae.fitting import custom_gradients, inside

BATCH_SIZE = 512
_PREPARED = weakref.WeakKeyDictionary()  # model: its fingerprint, and what applies it to a batch


def predict(model: keras.Model, data, batch_size: int = BATCH_SIZE, to_the_bit: bool = True):
    """Applies a model to arrays, batch by batch, into arrays that are allocated once.

    Every batch has `batch_size` rows, the last one filled up; fewer rows than that are filled up to
    a power of two. So a model is compiled for a handful of shapes, however many rows it is given,
    which `keras.Model.predict` compiles for every size of a last batch. It is compiled anew where
    its variables or dtype policies are others than at the last call, as LoRA and quantization make
    them.

    Args:
        model: A built Keras model, of one or more inputs and outputs.
        data: An array, or a list of arrays, of `count` rows each, at least one.
        batch_size: How many rows are processed at a time.
        to_the_bit: Whether to give on torch what Keras's layers give, to the bit, at half the
            speed; always the same for a model.

    Returns:
        The model's outputs: an array, or a list of arrays, of `count` rows each.
    """
    count = len(keras.tree.flatten(data)[0])
    size = min(batch_size, 1 << (count - 1).bit_length())
    fingerprint, apply = _PREPARED.get(model, (None, None))
    if fingerprint is None or not fingerprint.is_of(model):
        model.make_predict_function(force=True)
        apply = _applied(to_the_bit)
        _PREPARED[model] = inside.Fingerprint(model), apply
    results = None
    for start in range(0, count, size):
        rows = slice(start, start + size)
        if start + size > count:
            rows = np.minimum(np.arange(start, start + size), count - 1)  # the last row, repeated
        batch = keras.tree.map_structure(lambda a, r=rows: a[r], data)
        with custom_gradients.released():
            outputs = apply(model, batch)
        if results is None:
            results = keras.tree.map_structure(
                lambda output: np.empty((count, *output.shape[1:]), output.dtype), outputs
            )
        for result, output in zip(*map(keras.tree.flatten, (results, outputs)), strict=True):
            kept = result[start : start + size]
            kept[:] = output[: len(kept)]
    return results


def _applied(to_the_bit):
    """Function of a model and a batch to its outputs; on torch it avoids Keras's layers."""
    if keras.backend.backend() == "torch":
        from keras_cvae.fitting import torch_predictions

        return torch_predictions.Predictions(to_the_bit)
    return keras.Model.predict_on_batch
