"""Checks of labels in any unambiguous form, and of class weights."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping

import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.data import arrays


def check_labels(labels, num_classes: int | None, *, count: int, name: str = "y") -> np.ndarray:
    """Checks labels and returns them as an int32 array of shape `(count,)`.

    Args:
        labels: Whole numbers of shape `(count,)` or `(count, 1)`, of any type, -1 or NaN for
            unknown; or one-hot vectors of shape `(count, num_classes)`, all zeros for unknown.
        num_classes: The number of classes, or None if it is unknown.
        count: The number of labels required.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If shape, type or a label is not as expected.
    """
    labels = arrays.array(labels, name)
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim == 2 and num_classes in (None, labels.shape[1]):
        labels = from_one_hot(labels, name)
    if labels.ndim != 1 or len(labels) != count:
        vectors = "" if num_classes is None else f", or one-hot vectors ({count}, {num_classes})"
        raise ArgumentError(
            name, f"must be {count} integers{vectors}, one for each image", f"shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        labels = _whole(labels, name)
    most = np.inf if num_classes is None else num_classes - 1
    if labels.size and (labels.min() < -1 or labels.max() > most):
        range_ = "at least -1" if num_classes is None else f"in -1..{most}"
        raise ArgumentError(
            name,
            f"must be {range_}, -1 for unknown",
            f"values from {labels.min()} to {labels.max()}",
        )
    return labels.astype("int32")


def from_one_hot(vectors: np.ndarray, name: str = "y") -> np.ndarray:
    """Returns the integer labels of one-hot vectors, -1 for a vector that is all zeros.

    Args:
        vectors: Array of shape `(count, num_classes)`.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If a vector has entries other than zeros and at most one 1.
    """
    ones = vectors == 1
    soft = np.flatnonzero((~ones & (vectors != 0)).any(1) | (ones.sum(1) > 1))
    if len(soft):
        raise ArgumentError(
            name,
            f"of shape {vectors.shape} must be one-hot vectors, one 1 and zeros, or all "
            "zeros for unknown; probabilities, smoothed labels and several classes of one image "
            "are not supported. The most probable class of each is numpy.argmax(values, axis=-1)",
            f"{vectors[soft[0]].tolist()[:10]} in row {soft[0]}",
        )
    return np.where(ones.any(1), ones.argmax(1), -1)


def _whole(labels, name):
    """Converts labels of floats or booleans to integers, with -1 in place of NaN."""
    values = labels.astype("float64")
    values = np.where(np.isnan(values), -1.0, values)
    wrong = values[~np.isfinite(values) | (values != np.round(values))]
    if len(wrong):
        raise ArgumentError(
            name,
            "must be whole numbers, the indices of the classes, -1 for unknown; for numbers "
            "that are not classes use `conditions.Vector(1)`",
            f"{wrong[0]:g}",
        )
    return values.astype("int64")


def class_weights(weights, num_classes: int) -> np.ndarray:
    """Returns `class_weight` as a float32 array: a weight for each class, and 1 for unknown labels.

    Args:
        weights: Dict from labels to weights; the weight of other labels is 1.
        num_classes: The number of classes.

    Raises:
        ValueError: If it is not a dict from labels to finite weights of at least 0.
    """
    weight_of = np.ones(num_classes + 1, "float32")
    labels = range(num_classes)
    if not isinstance(weights, Mapping) or not set(weights) <= set(labels):
        received = sorted(weights) if isinstance(weights, Mapping) else type(weights).__name__
        raise ArgumentError(
            "class_weight",
            f"must be a dict from labels in 0..{num_classes - 1} to weights",
            f"{received}",
        )
    for label, weight in weights.items():
        if not (isinstance(weight, numbers.Real) and math.isfinite(weight) and float(weight) >= 0):
            raise ArgumentError(
                "class_weight",
                "must contain finite weights of at least 0",
                f"{weight!r} for class {label}",
            )
        weight_of[int(label)] = weight
    return weight_of
