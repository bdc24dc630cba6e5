"""What `fit`, `evaluate` and the rest accept, and how it is checked before any work begins.

Data is `[image, label]` in Keras's arrangement, a dict by the names of the inputs, or the pairs
`(image, label)` that labelled data sets yield, which Keras would take for inputs and targets.
Inside a model it is a dict by name; the weights of examples travel in it as `sample_weight`, since
Keras drops them where there are no targets.
"""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterator, Mapping

import keras
import numpy as np

ROWS = 4096  # examples checked at a time, so that a memory-mapped array is never copied whole
WEIGHT = "sample_weight"
MOST_COUNT = 2**24  # up to which float32 has all integers


def arrange(data, names) -> dict:
    """Arranges one batch, or all arrays, by the names of a model's inputs.

    Args:
        data: What Keras hands to a step: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        names: Names of the inputs, the image's first.

    Returns:
        Dict of `names` and, where examples are weighed, `"sample_weight"`.

    Raises:
        ValueError: If something is missing, or there is something else.
    """
    x, y, weight = keras.utils.unpack_x_y_sample_weight(data)
    image, *values = names
    if isinstance(x, Mapping):
        found, rest = dict(x), []
    else:
        first, *rest = x if isinstance(x, (list, tuple)) and len(x) else [x]
        found = {image: first}
    rest = rest + ([] if y is None or not values else [y])  # a plain VAE leaves labels out
    if len(rest) == 1 and isinstance(rest[0], Mapping):
        rest, found = [], {**found, **rest[0]}
    if weight is not None:
        found[WEIGHT] = weight
    missing = [name for name in values if name not in found]
    if not values and (rest or set(found) - {image, WEIGHT}):
        raise ValueError(
            "A model without a condition takes images alone. Received: images and "
            f"{_described(rest or sorted(set(found) - {image, WEIGHT}))}"
        )
    if image not in found or len(rest) != len(missing) or set(found) - {image, *values, WEIGHT}:
        raise ValueError(
            f"This model takes [images, {', '.join(values)}], a dict of these or pairs of them, "
            "and no other targets: an image is its own. What is unknown is -1 for a label, NaN for "
            f"a number. Received: {_described([*found.items(), *rest])}"
        )
    found.update(zip(missing, rest, strict=True))
    for name in values:
        if found[name] is None:
            raise ValueError(
                f"`{name}` must be given; where it is unknown it is -1 for a label, NaN for a "
                "number, and `condition=None` builds a model without it. Received: None"
            )
    return found


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


def array(values, name: str) -> np.ndarray:
    """Returns what a user gives for an array as one: DataFrames, series, tensors, lists.

    NumPy arrays, memory-mapped ones too, are returned as they are.

    Raises:
        ValueError: If it is no array of numbers.
    """
    if isinstance(values, np.ndarray):
        found = values
    elif type(values).__module__.startswith("pandas") and _is_categorical(values):
        raise ValueError(
            f"`{name}` must be integers, -1 for unknown; of a pandas categorical, its codes. "
            f"Received: {type(values).__name__} of dtype category"
        )
    elif keras.ops.is_tensor(values):
        found = keras.ops.convert_to_numpy(values)
    else:
        try:
            found = np.asarray(values)
        except ValueError as error:
            raise ValueError(f"`{name}` must be an array of numbers. Received: {error}") from None
    if found.dtype.kind not in "buif" and found.dtype.name != "bfloat16":
        raise ValueError(
            f"`{name}` must be an array of numbers. Received: {type(values).__name__} of dtype "
            f"{found.dtype}"
        )
    return found


def _is_categorical(values):
    return str(getattr(values, "dtype", "")) == "category"


def check_images(images, image_shape, check, name="images") -> np.ndarray:
    """Checks the shape, dtype and values of images.

    Args:
        images: Array of shape `(count, *image_shape)`; a last axis of 1 may be missing.
        image_shape: Shape of one image.
        check: Function of an array and its name that returns it, its values checked.
        name: What the images are called in messages.

    Returns:
        What `check` returns of the images, of shape `(count, *image_shape)`.

    Raises:
        ValueError: If any image is not as expected.
    """
    images = array(images, name)
    shape, image_shape = images.shape, tuple(image_shape)
    allowed = {image_shape, image_shape[:-1]} if image_shape[-1] == 1 else {image_shape}
    if shape[1:] not in allowed:
        raise ValueError(
            f"`{name}` must have the shape (count, {', '.join(map(str, image_shape))}). "
            f"Received: {shape}"
        )
    if shape[0] == 0:
        raise ValueError(f"`{name}` must hold at least one image. Received: shape {shape}")
    return check(images.reshape(-1, *image_shape), name=name)


def check_values(images, support, name: str) -> np.ndarray:
    """Returns images, checked to be finite and within the bounds `support`.

    Raises:
        ValueError: If they are not.
    """
    low, high = support
    bounded = np.isfinite(low) or np.isfinite(high)
    dtype = images.dtype
    if dtype == "bool":
        return images
    starts = range(0, len(images), ROWS)
    if dtype == "uint8":
        if max(images[start : start + ROWS].max() for start in starts) == 1:
            raise ValueError(
                f"`{name}` of dtype uint8 are divided by 255; pass black and white ones as bool or "
                "float. Received: uint8 values of 0 and 1 alone"
            )
        return images
    if "float" not in dtype.name:
        within = f" in [{low:g}, {high:g}]" if bounded else ""
        raise ValueError(
            f"`{name}` must be uint8 (0 to 255) or floating point{within}; convert with .astype. "
            f"Received: dtype {dtype} with values from {images.min()} to {images.max()}"
        )
    for start in starts:
        rows = images[start : start + ROWS]
        least, most = rows.min(), rows.max()  # a NaN anywhere makes both NaN
        among = f"images {start} to {start + len(rows) - 1}"
        if not (np.isfinite(least) and np.isfinite(most)):
            raise ValueError(f"`{name}` must be finite. Received: NaN or infinity among {among}")
        if least < low or most > high:
            raise ValueError(
                f"`{name}` must be in [{low:g}, {high:g}] (divide by 255, or pass uint8), as the "
                "likelihood or the binarisation requires. "
                f"Received: values from {least:g} to {most:g} among {among}"
            )
    return images


def check_counts(images, name: str) -> np.ndarray:
    """Returns counts, checked, as floats.

    Raises:
        ValueError: If they are uint8, or no counts.
    """
    if images.dtype == "uint8":
        raise ValueError(
            f"`{name}` of dtype uint8 are pixels, divided by 255; pass counts, as the likelihood "
            "requires them, as int32 or float32. Received: dtype uint8"
        )
    expected = (
        f"`{name}` must be counts, as the likelihood requires: whole numbers of 0 to {MOST_COUNT}"
    )
    for start in range(0, len(images), ROWS):
        rows = images[start : start + ROWS]
        among = f"images {start} to {start + len(rows) - 1}"
        if not np.isfinite(rows).all():
            raise ValueError(f"`{name}` must be finite. Received: NaN or infinity among {among}")
        if rows.min() < 0 or rows.max() > MOST_COUNT:
            values = f"values from {rows.min():g} to {rows.max():g}"
            raise ValueError(f"{expected}. Received: {values} among {among}")
        if (broken := rows != np.floor(rows)).any():
            raise ValueError(f"{expected}. Received: {rows[broken][0]:g} among {among}")
    return images if "float" in images.dtype.name else images.astype("float32")


def check_labels(labels, num_classes: int, *, count: int, name: str = "labels") -> np.ndarray:
    """Checks labels and returns them as an int32 array of shape `(count,)`.

    Args:
        labels: Integers in -1..num_classes-1, of shape `(count,)` or `(count, 1)`.
        num_classes: How many classes there are.
        count: How many labels there must be.
        name: What the labels are called in messages.

    Raises:
        ValueError: If any label is not as expected.
    """
    labels = array(labels, name)
    if labels.ndim == 2 and labels.shape[1] == num_classes:
        raise ValueError(
            f"`{name}` must be integers, not one-hot vectors; take numpy.argmax({name}, axis=-1). "
            f"Received: shape {labels.shape}"
        )
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1 or len(labels) != count:
        raise ValueError(
            f"`{name}` must be {count} integers, one for each image. Received: shape {labels.shape}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueError(
            f"`{name}` must be integers, -1 for unknown; convert with .astype('int32'). "
            f"Received: dtype {labels.dtype}"
        )
    if labels.size and (labels.min() < -1 or labels.max() >= num_classes):
        raise ValueError(
            f"`{name}` must be in -1..{num_classes - 1}, -1 for unknown. "
            f"Received: values from {labels.min()} to {labels.max()}"
        )
    return labels.astype("int32")


def check_vectors(vectors, size: int, *, count: int | None = None, name: str) -> np.ndarray:
    """Checks continuous conditions and returns them as a float32 array of shape `(count, size)`.

    Args:
        vectors: Numbers of shape `(count, size)`, or `(count,)` where `size` is 1; a row with a NaN
            is unknown.
        size: Length of one vector.
        count: How many there must be; any number by default.
        name: What they are called in messages.

    Raises:
        ValueError: If any is not as expected.
    """
    vectors = array(vectors, name)
    if vectors.ndim == 1 and size == 1:
        vectors = vectors[:, None]
    return check_tensors(vectors.astype("float32"), (size,), count=count, name=name)


def check_tensors(tensors, shape, *, count: int | None = None, name: str) -> np.ndarray:
    """Checks conditions of any shape; returns them as float32, or uint8 where they are pixels.

    Args:
        tensors: Array of shape `(count, *shape)`, NaN where unknown. Of two axes or more an example
            may be of uint8, which a model scales to [0, 1].
        shape: Shape of one example.
        count: How many there must be; any number by default.
        name: What they are called in messages.

    Raises:
        ValueError: If any is not as expected.
    """
    if tensors.shape[1:] != tuple(shape) or not tensors.ndim or count not in (None, len(tensors)):
        sizes = ", ".join(map(str, ("count" if count is None else count, *shape)))
        raise ValueError(f"`{name}` must have the shape ({sizes}). Received: {tensors.shape}")
    if tensors.dtype == "uint8":
        if len(shape) == 1:
            raise ValueError(
                f"`{name}` must be floating point: only images are scaled from 0..255. "
                "Received: vectors of dtype uint8"
            )
        return tensors
    for start in range(0, len(tensors), ROWS):
        if np.isinf(tensors[start : start + ROWS]).any():
            raise ValueError(f"`{name}` must be finite, or NaN where unknown. Received: infinity")
    return tensors.astype("float32", copy=False)


def check_weights(weights, *, count: int) -> np.ndarray:
    """Checks `sample_weight` and returns it as a float32 array of shape `(count,)`.

    Raises:
        ValueError: If there is not one finite weight of at least 0 for each image.
    """
    weights = array(weights, WEIGHT)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != (count,):
        raise ValueError(
            f"`{WEIGHT}` must be {count} numbers, one for each image. "
            f"Received: shape {weights.shape}"
        )
    weights = weights.astype("float32")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(
            f"`{WEIGHT}` must be finite and at least 0. "
            f"Received: values from {weights.min():g} to {weights.max():g}"
        )
    return weights


def class_weights(weights, num_classes: int) -> np.ndarray:
    """Returns `class_weight` as a float32 array: a weight a class, and 1 for an unknown label.

    Args:
        weights: Dict of labels to weights; a label that is not there weighs 1.
        num_classes: How many classes there are.

    Raises:
        ValueError: If it is no such dict.
    """
    found = np.ones(num_classes + 1, "float32")
    labels = range(num_classes)
    if not isinstance(weights, Mapping) or not set(weights) <= set(labels):
        received = sorted(weights) if isinstance(weights, Mapping) else type(weights).__name__
        raise ValueError(
            f"`class_weight` must be a dict of labels in 0..{num_classes - 1} to weights. "
            f"Received: {received}"
        )
    for label, weight in weights.items():
        if not (np.isscalar(weight) and np.isfinite(weight) and weight >= 0):
            raise ValueError(
                "`class_weight` must hold finite weights of at least 0. "
                f"Received: {weight!r} for class {label}"
            )
        found[label] = weight
    return found


def check_numbers(batch, names) -> None:
    """Refuses names of classes in a batch of a stream, which goes to Keras as it is.

    Args:
        batch: What the stream gives.
        names: As for `arrange`.

    Raises:
        ValueError: If there are texts in it.
    """
    for name, values in arrange(batch, names).items():
        dtype = str(getattr(values, "dtype", ""))
        is_text = dtype.startswith(("<U", "str", "object", "category"))
        if is_text or any(isinstance(part, str) for part in keras.tree.flatten(values)):
            raise ValueError(
                f"`{name}` must be numbers in a stream: names of classes are understood in arrays "
                "and lists alone. Map each to its integer, `cvae.condition.names.index(name)`, in "
                f"the stream. Received: {type(values).__name__} of names"
            )


def is_stream(data) -> bool:
    """Whether these are batches one after another: not an array, a list, a tuple or a dict."""
    if hasattr(data, "shape") or isinstance(data, (list, tuple, Mapping)):
        return False
    return isinstance(data, keras.utils.PyDataset) or hasattr(data, "__iter__")


def peek(data):
    """Takes a look at what is given to `fit` as `x`.

    Args:
        data: Arrays, or a stream of batches: a `tf.data.Dataset`, a `keras.utils.PyDataset`, a
            torch `DataLoader`, a generator.

    Returns:
        `(stream, first)`: the stream, whole again where looking at it had taken a batch, and its
        first batch; `(data, None)` for arrays.
    """
    if isinstance(data, keras.utils.PyDataset):
        return data, data[0]
    if isinstance(data, types.GeneratorType):
        first = next(data, None)
        return (batch for batch in itertools.chain([first], data)), first
    return data, next(iter(data), None) if is_stream(data) else None


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
