"""What `fit`, `evaluate` and the rest accept, and how it is checked before any work begins.

Data is `[image, label]` in Keras's arrangement, a dict by the names of the inputs, or the pairs
`(image, label)` that labelled data sets yield, which Keras would take for inputs and targets.
Inside a model it is a dict by name; the weights of examples travel in it as `sample_weight`, since
Keras drops them where there are no targets.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping

import keras
import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.data.arrays import ROWS, WEIGHT

MOST_BYTES = 2**27


def arrange(data, names) -> dict:
    """Arranges one batch, or all arrays, by the names of a model's inputs.

    Args:
        data: What Keras hands to a step: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        names: Names of the inputs, the image's first.

    Returns:
        Dict of `names` and, where examples are weighed, `"sample_weight"`. A `target` is left out.

    Raises:
        ValueError: If something is missing, or there is something else.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    image, *values = names
    if _are_complete(x, names):
        y = None
    if isinstance(x, Mapping):
        found, rest = dict(x), []
    else:
        first, *rest = x if isinstance(x, (list, tuple)) and len(x) else [x]
        found = {image: first}
    rest = rest + ([] if y is None else [y])
    if len(rest) == 1 and isinstance(rest[0], Mapping):
        rest, found = [], {**found, **rest[0]}
    if weight is not None:
        found[WEIGHT] = weight
    missing = [name for name in values if name not in found]
    if not values and (rest or set(found) - {image, WEIGHT}):
        raise ArgumentError(
            None,
            "A model without a condition takes images alone",
            f"images and {_described(rest or sorted(set(found) - {image, WEIGHT}))}",
        )
    if image not in found or len(rest) != len(missing) or set(found) - {image, *values, WEIGHT}:
        raise ArgumentError(
            None,
            f"This model takes [images, {', '.join(values)}], a dict of these or pairs of them, "
            "and no targets but the images themselves. What is unknown is -1 for a label, NaN for "
            f"a number",
            f"{_described([*found.items(), *rest])}",
        )
    found.update(zip(missing, rest, strict=True))
    for name in values:
        if found[name] is None:
            raise ArgumentError(
                name,
                "must be given; where it is unknown it is -1 for a label, NaN for a "
                "number, and `condition=None` builds a model without it",
                "None",
            )
    return found


def target(data, names):
    """Returns what stands in the place of targets: `y` where `x` holds all inputs, or None.

    Args:
        data: As for `arrange`.
        names: As for `arrange`.
    """
    x, y, _ = keras.utils.unpack_x_y_sample_weight(data)
    return y if _are_complete(x, names) else None


def _are_complete(x, names):
    """Whether `x` holds all inputs; of a model without a condition it always does."""
    if isinstance(x, Mapping):
        return set(names) <= set(x)
    return len(names) == 1 or (isinstance(x, (list, tuple)) and len(x) == len(names))


def _described(parts) -> str:
    """What was received, short."""

    def describe(part):
        if isinstance(part, tuple) and len(part) == 2 and isinstance(part[0], str):
            return part[0]
        if isinstance(part, str):
            return part
        shape = getattr(part, "shape", None)
        return type(part).__name__ + ("" if shape is None else f" of shape {tuple(shape)}")

    said = [*map(describe, parts[:6])]
    if len(parts) > 6:
        said.append(f"... ({len(parts)} in all)")
    return ", ".join(said) or "nothing"


def check_numbers(batch, names) -> None:
    """Refuses names of classes in a batch of a stream, which goes to Keras as it is.

    Args:
        batch: A batch as the stream yields it.
        names: As for `arrange`.

    Raises:
        ValueError: If there are texts in it.
    """
    for name, values in arrange(batch, names).items():
        dtype = str(getattr(values, "dtype", ""))
        is_text = dtype.startswith(("<U", "str", "object", "category"))
        if is_text or any(isinstance(part, str) for part in keras.tree.flatten(values)):
            raise ArgumentError(
                name,
                "must be numbers in a stream: names of classes are understood in arrays "
                "and lists alone. Map each to its integer, `cvae.classes.index(name)`, in "
                "the stream",
                f"{type(values).__name__} of names",
            )


def is_stream(data) -> bool:
    """Whether these are batches one after another: not an array, a list, a tuple or a dict."""
    if hasattr(data, "shape") or isinstance(data, (list, tuple, Mapping)):
        return False
    return isinstance(data, keras.utils.PyDataset) or hasattr(data, "__iter__")


def peek(data, examples: int = 1):
    """Reads the first batches of `x` of `fit`, where it is a stream.

    Args:
        data: Arrays, or a stream of batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a
            torch `DataLoader`, a data set of Grain, a generator or another iterator.
        examples: How many examples of a stream are to be seen, of at most `MOST_BYTES` in all.

    Returns:
        `(stream, batches)`: the stream, whole again where looking at it had taken batches, and a
        list of its first ones; `(data, None)` for arrays.

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
            "must hold at least one batch; an iterator that was read before has none left",
            f"an empty stream, {kind}",
        )
    if iterator is data:  # it has one pass, and Keras takes generators alone
        data = (batch for batch in itertools.chain(first, iterator))
    return data, first


def batches(data, most: int, seed: int, size: int = ROWS) -> Iterator:
    """Batches of checked arrays or of a stream, of about `most` examples in all.

    Args:
        data: Dict of arrays by name, or a stream.
        most: How many examples are enough; of arrays that hold more, as many are chosen.
        seed: Of that choice.
        size: How many rows of arrays make a batch.
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
