"""Converts the tensors of a batch to what a model's graph takes: floats, and integer labels."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae.types import Tensor


def to_unit_interval(pixels) -> Tensor:
    """Converts uint8 pixels of 0..255 to floats in [0, 1]; returns others unchanged."""
    if keras.backend.standardize_dtype(pixels.dtype) != "uint8":
        return pixels
    return ops.cast(pixels, keras.config.floatx()) / 255.0


def to_integers(labels) -> Tensor:
    """Converts the labels of a batch to integers.

    Args:
        labels: Tensor of shape `(batch,)`, `(batch, 1)` or `(batch, num_classes)`, one-hot vectors,
            of any type.

    Returns:
        int32 tensor of shape `(batch,)`; -1 for a one-hot vector that is all zeros.
    """
    if len(labels.shape) == 2 and labels.shape[1] != 1:
        labels = ops.cast(labels, "int32")
        return ops.where(ops.any(labels > 0, -1), ops.cast(ops.argmax(labels, -1), "int32"), -1)
    return ops.cast(ops.reshape(labels, (-1,)), "int32")
