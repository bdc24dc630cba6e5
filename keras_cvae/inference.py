"""Running a model over many rows: batches of few shapes, so that nothing is compiled anew."""

from __future__ import annotations

import weakref

import keras
import numpy as np

from keras_cvae.fitting import inside

BATCH_SIZE = 512
_COMPILED_FOR = weakref.WeakKeyDictionary()  # model: the fingerprint it last predicted with


def predict(model: keras.Model, data, batch_size: int = BATCH_SIZE):
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

    Returns:
        The model's outputs: an array, or a list of arrays, of `count` rows each.
    """
    count = len(keras.tree.flatten(data)[0])
    size = min(batch_size, 1 << (count - 1).bit_length())
    compiled_for = _COMPILED_FOR.get(model)
    if compiled_for is None or not compiled_for.is_of(model):
        model.make_predict_function(force=True)
        _COMPILED_FOR[model] = inside.Fingerprint(model)
    results = None
    for start in range(0, count, size):
        rows = slice(start, start + size)
        if start + size > count:
            rows = np.minimum(np.arange(start, start + size), count - 1)  # the last row, repeated
        outputs = model.predict_on_batch(keras.tree.map_structure(lambda a, r=rows: a[r], data))
        if results is None:
            results = keras.tree.map_structure(
                lambda output: np.empty((count, *output.shape[1:]), output.dtype), outputs
            )
        for result, output in zip(*map(keras.tree.flatten, (results, outputs)), strict=True):
            kept = result[start : start + size]
            kept[:] = output[: len(kept)]
    return results
