"""Arranges the data of `fit`, `evaluate` and others by the names of a model's inputs.

A user passes `[image, label]`, as Keras expects it; a dict by the names of the inputs; or pairs
`(image, label)`, as labelled data sets yield them, which Keras would interpret as inputs and
targets. Inside a model the data is a dict by name, with the weights of examples as `sample_weight`,
because Keras drops weights if there are no targets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

import keras
import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.data.arrays import ROWS, WEIGHT

MOST_BYTES = 2**27


def arrange(data, names) -> dict:
    """Arranges one batch, or all arrays, by the names of a model's inputs.

    Args:
        data: Argument of a Keras step: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        names: Names of the inputs, the image's first.

    Returns:
        Dict with the keys `names` and, if examples have weights, `"sample_weight"`, without a
        `target`.

    Raises:
        ValueError: If an input is missing or unknown.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    image, *values = names
    if _are_complete(x, names):
        y = None
    if isinstance(x, Mapping):
        arranged, rest = dict(x), []
    else:
        first, *rest = x if isinstance(x, (list, tuple)) and len(x) else [x]
        arranged = {image: first}
    rest = rest + ([] if y is None else [y])
    if len(rest) == 1 and isinstance(rest[0], Mapping):
        rest, arranged = [], {**arranged, **rest[0]}
    if weight is not None:
        arranged[WEIGHT] = weight
    missing = [name for name in values if name not in arranged]
    if not values and (rest or set(arranged) - {image, WEIGHT}):
        raise ArgumentError(
            None,
            "A model without a condition takes only images",
            f"images and {_describe(rest or sorted(set(arranged) - {image, WEIGHT}))}",
        )
    others = set(arranged) - {image, *values, WEIGHT}
    if image not in arranged or len(rest) != len(missing) or others:
        raise ArgumentError(
            None,
            f"This model takes [images, {', '.join(values)}], a dict of these or pairs of them, "
            "and no targets but the images themselves. An unknown label is -1, an unknown number "
            "NaN",
            f"{_describe([*arranged.items(), *rest])}",
        )
    arranged.update(zip(missing, rest, strict=True))
    for name in values:
        if arranged[name] is None:
            raise ArgumentError(
                name,
                "must not be None: an unknown label is -1, an unknown number NaN, and "
                "`condition=None` builds a model without this input",
                "None",
            )
    return arranged


def target(data, names) -> Any:
    """Returns the target: `y` if `x` contains all inputs, otherwise None.

    Args:
        data: As for `arrange`.
        names: As for `arrange`.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    return y if _are_complete(x, names) else None


def _are_complete(x, names):
    """Returns whether `x` contains all inputs; always true for a model without a condition."""
    if isinstance(x, Mapping):
        return set(names) <= set(x)
    return len(names) == 1 or (isinstance(x, (list, tuple)) and len(x) == len(names))


def _describe(parts) -> str:
    """Returns a short description of data, for messages."""

    def describe(part):
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str):
            return part[0]
        if isinstance(part, str):
            return part
        shape = getattr(part, "shape", None)
        return type(part).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")

    descriptions = [*map(describe, parts[:6])]
    if len(parts) > 6:
        descriptions.append(f"... ({len(parts)} in all)")
    return ", ".join(descriptions) or "nothing"


def check_numbers(batch, names) -> None:
    """Checks that a batch of a stream contains no text, such as names of classes.

    Args:
        batch: A batch as the stream yields it.
        names: As for `arrange`.

    Raises:
        ValueError: If it contains text.
    """
    for name, values in arrange(batch, names).items():
        dtype = str(getattr(values, "dtype", ""))
        is_text = dtype.startswith(("<U", "str", "object", "category"))
        if is_text or any(isinstance(part, str) for part in keras.tree.flatten(values)):
            raise ArgumentError(
                name,
                "must be numbers in a stream: names of classes are converted in arrays and lists "
                "only. In the stream, map each to its integer, `cvae.classes.index(name)`",
                f"{type(values).__name__} of names",
            )


def is_stream(data) -> bool:
    """Returns whether data is an iterable of batches, and not an array, list, tuple or dict."""
    if hasattr(data, "shape") or isinstance(data, (list, tuple, Mapping)):
        return False
    return isinstance(data, keras.utils.PyDataset) or hasattr(data, "__iter__")


def peek(data, examples: int = 1) -> tuple:
    """Reads the first batches of a stream.

    Args:
        data: Arrays, or a stream of batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a
            torch `DataLoader`, a data set of Grain, a generator or another iterator.
        examples: The number of examples of a stream to read, but at most `MOST_BYTES` bytes.

    Returns:
        `(stream, batches)`: the stream, which yields these batches again, and a list of them; for
        arrays `(data, None)`.

    Raises:
        ValueError: If the stream is empty.
    """
    if not is_stream(data):
        return data, None
    kind, first, seen, size = type(data).__name__, [], 0, 0
    if isinstance(data, keras.utils.PyDataset):
        numbers = itertools.count() if data.num_batches is None else range(data.num_batches)
        iterator = (data[number] for number in numbers)
    else:
        iterator = iter(data)
    while seen < examples and size < MOST_BYTES:
        batch = next(iterator, None)
        if batch is None:
            break
        first.append(batch)
        values = keras.tree.flatten(batch)[0]
        seen += len(values)
        size += getattr(values, "nbytes", 0)
    if not first:
        raise ArgumentError(
            "x",
            "must have at least one batch; an iterator can be read only once",
            f"an empty stream, {kind}",
        )
    if iterator is data:  # the only kind of iterator that Keras takes is a generator
        data = (batch for batch in itertools.chain(first, iterator))
    return data, first


def batches(data, most: int, seed: int, size: int = ROWS) -> Iterator:
    """Yields batches of checked arrays or of a stream, about `most` examples in all.

    Args:
        data: Dict of arrays by name, or a stream.
        most: The number of examples. If arrays have more, a random subset is used.
        seed: Seed of the subset.
        size: The number of rows of arrays in a batch.
    """
    if not isinstance(data, dict):
        seen = 0
        for batch in data:
            yield batch
            seen += len(keras.tree.flatten(batch)[0])
            if seen >= most:
                return
        return
    count = len(next(iter(data.values())))
    rows = np.arange(count)
    if count > most:
        rows = np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
    for start in range(0, len(rows), size):
        yield {name: values[rows[start : start + size]] for name, values in data.items()}
