"""Classes of any type, and the integers that stand for them in a model."""

from __future__ import annotations

import numpy as np
from sklearn.utils.multiclass import type_of_target

from keras_cvae import checks


def from_one_hot(y):
    """Returns the classes that one-hot rows stand for, and anything else as it is.

    Args:
        y: Array or DataFrame of shape `(rows, classes)`, in each row of which one entry is 1 and
            all others are 0.

    Returns:
        The number of the column of each row's 1, or of a DataFrame its name: an array of shape
        `(rows,)`.
    """
    table = np.asarray(y)  # not `np.ndim`, which an object with `__array__` alone may refuse
    if table.ndim != 2 or table.shape[1] < 2 or table.dtype.kind not in "buif":
        return y
    if not (((table == 0) | (table == 1)).all() and (table.sum(axis=1) == 1).all()):
        return y
    names = np.asarray(y.columns) if hasattr(y, "columns") else np.arange(table.shape[1])
    return names[table.argmax(axis=1)]


def learn(y) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Finds the classes.

    Args:
        y: Classes, an array of shape `(rows,)`.

    Returns:
        `(classes, labels, counts)`: the classes, sorted, the place of each row's among them, and
        how many rows each has.

    Raises:
        ValueError: If y is not of two classes or more.
    """
    kind = type_of_target(y, input_name="y", raise_unknown=True)
    expected = "must be classes; with `conditional=False` it may be anything"
    checks.require(kind in ("binary", "multiclass"), "y", expected, f"{kind} targets")
    classes, labels, counts = np.unique(y, return_inverse=True, return_counts=True)
    expected = "must hold two classes or more, or be left out"
    checks.require(len(classes) > 1, "y", expected, f"1 class, {classes[0]!r}")
    return classes, labels, counts


def draw(classes: np.ndarray, counts: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Draws `count` classes, each as often as its share of the `counts`."""
    return np.random.default_rng(seed).choice(classes, count, p=counts / counts.sum())


def places(y, classes: np.ndarray, count: int) -> np.ndarray:
    """Looks up the places of given classes among the known ones.

    Args:
        y: One class, or `count` of them.
        classes: The known classes, sorted.
        count: How many places are asked for.

    Returns:
        Integers of shape `(count,)`.

    Raises:
        ValueError: If y is anything else.
    """
    given = np.full(count, y) if np.ndim(y) == 0 else np.asarray(y)
    expected = f"must be one class, or one for each of {count} rows"
    checks.require(given.shape == (count,), "y", expected, f"shape {given.shape}")
    found = np.minimum(np.searchsorted(classes, given), len(classes) - 1)
    strange = given[classes[found] != given]
    expected = f"must be of the classes {classes.tolist()}"
    checks.require(not strange.size, "y", expected, f"{strange[:1].tolist()}")
    return found
