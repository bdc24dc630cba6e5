"""Converts classes of any type to integer labels of a model."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

from keras_cvae import checks


def from_one_hot(y) -> Any:
    """Converts one-hot rows to classes; returns anything else unchanged.

    Args:
        y: Array or DataFrame of shape `(rows, classes)`; in each row one entry is 1 and all others
            are 0.

    Returns:
        For each row the index of the column that is 1, or its name in a DataFrame: an array of
        shape `(rows,)`.
    """
    table = np.asarray(y)  # `np.ndim` may fail for an object that only has `__array__`
    if table.ndim != 2 or table.shape[1] < 2 or table.dtype.kind not in "buif":
        return y
    if not (((table == 0) | (table == 1)).all() and (table.sum(axis=1) == 1).all()):
        return y
    names = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(table.shape[1])
    return names[table.argmax(axis=1)]


def learn(y) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Determines the classes.

    Args:
        y: Classes, an array of shape `(rows,)`.

    Returns:
        `(classes, labels, counts)`: the classes, sorted; the index of each row's class among them;
        and the number of rows of each class.

    Raises:
        ValueError: If y does not contain two classes or more.
    """
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    expected = "must be classes; with `conditional=False` it may be anything"
    checks.require(kind in ("binary", "multiclass"), "y", expected, f"{kind} targets")
    classes, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    expected = "must contain two classes or more, or be left out"
    checks.require(len(classes) > 1, "y", expected, f"1 class, {classes[0]!r}")
    return classes, labels, counts


def sample(classes: np.ndarray, counts: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Samples `count` classes, with probabilities in proportion to the `counts`."""
    return np.random.default_rng(seed).choice(classes, count, p=counts / counts.sum())


def indices_of(y, classes: np.ndarray, count: int) -> np.ndarray:
    """Returns the indices of classes.

    Args:
        y: One class, or `count` of them.
        classes: The known classes, sorted.
        count: The number of rows.

    Returns:
        Integers of shape `(count,)`.

    Raises:
        ValueError: If y is anything else.
    """
    labels = np.full(count, y) if np.ndim(y) == 0 else np.asarray(y)
    expected = f"must be one class, or one for each of {count} rows"
    checks.require(labels.shape == (count,), "y", expected, f"shape {labels.shape}")
    indices = np.minimum(np.searchsorted(classes, labels), len(classes) - 1)
    strange = labels[classes[indices] != labels]
    expected = f"must be of the classes {classes.tolist()}"
    checks.require(not strange.size, "y", expected, f"{strange[:1].tolist()}")
    return indices
