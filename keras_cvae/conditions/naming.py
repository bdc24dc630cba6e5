"""Converts names of classes to integer labels."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import keras
import numpy as np

from keras_cvae.checks import ArgumentError, nearest

UNKNOWN = -1
SHOWN = 20  # names listed in a message, at most


def to_labels(values, names: Sequence[str] | None, argument: str) -> np.ndarray:
    """Converts labels that are names of classes to integers.

    Args:
        values: An array, list, tuple, tensor, pandas series or categorical, in which names,
            integers and None (or a missing value of pandas) may be mixed.
        names: Names of the classes, or None if the classes have no names; then texts of numbers are
            labels.
        argument: Name of the argument, for messages.

    Returns:
        An array of integers, -1 for None; `values` itself if it has no names and no None.

    Raises:
        ValueError: If a name is not one of `names`, or a value is neither a name nor an integer.
    """
    dtype = getattr(values, "dtype", None)
    if keras.ops.is_tensor(values) or (isinstance(dtype, np.dtype) and dtype.kind in "buif"):
        return values
    table = np.array(values, dtype=object)
    flat = table.ravel().tolist()
    is_plain = not any(isinstance(value, str) or _is_none(value) for value in flat)
    if is_plain and str(dtype) != "object":
        return values
    known = {str(UNKNOWN): UNKNOWN}  # NumPy converts a -1 beside names to a string
    if names is None:  # the names of classes are their numbers
        known |= {
            value: int(value) for value in flat if isinstance(value, str) and value.isdecimal()
        }
    known |= {name: label for label, name in enumerate(names or ())}
    labels = [
        known[value]
        if isinstance(value, str) and value in known
        else _label(value, names, argument)
        for value in flat
    ]
    return np.array(labels, "int64").reshape(table.shape)


def _label(value, names, argument):
    if _is_none(value) or (isinstance(value, float) and value != value):
        return UNKNOWN
    if hasattr(value, "__index__"):
        return operator.index(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    expected = "must be integers, -1 or None for unknown"
    if names is None:
        expected += (
            ": the classes of this model have no names; `condition=['cat', 'dog']` would name them"
        )
    else:
        listed = ", ".join(map(repr, names[:SHOWN]))
        more = f", ... ({len(names)} in all)" if len(names) > SHOWN else ""
        expected += f", or names of classes, which are {listed}{more}"
    raise ArgumentError(argument, expected + nearest(value, names or ()), repr(value))


def _is_none(value):
    return value is None or type(value).__name__ == "NAType"  # of pandas
