"""What `fit`, `evaluate` and `predict` accept, and how it is checked before any work begins.

Data is `[image, label]` in Keras's arrangement, or a dict by these names, or the pairs
`(image, label)` that labelled data sets yield, which Keras would take for inputs and targets.
"""

from __future__ import annotations

import itertools
import types

import keras
import numpy as np

ROWS = 4096  # examples checked at a time, so that a memory-mapped array is never copied whole


def refuse_weights(**weights):
    """Raises a `ValueError` for sample or class weights.

    The terms of the loss are means over the batch; a weight that reached only some of them would
    silently train another model.
    """
    for name, value in weights.items():
        if value is not None:
            raise ValueError(
                f"`{name}` is not supported: every example weighs the same in every term of the "
                "ELBO. Repeat or resample examples instead. "
                f"Received: {name} of type {type(value).__name__}"
            )


def arrange(data, conditional: bool):
    """Rearranges one batch, or all arrays, into a model's inputs.

    Args:
        data: What Keras hands to a step: `x`, `(x,)`, `(x, y)` or `(x, y, sample_weight)`.
        conditional: Whether the model takes a label.

    Returns:
        `[image, label]`, a dict of both, or `image` alone.

    Raises:
        ValueError: If there is no label for a conditional model, something beside image and label,
            or a sample weight.
    """
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    refuse_weights(sample_weight=sample_weight)
    if isinstance(x, dict):
        found = {**x, "label": y} if y is not None and "label" not in x else x
        wanted = ["image", "label"] if conditional else ["image"]
        targets = conditional and y is not None and found is x
        if not set(wanted) <= set(found) or targets:
            raise ValueError(
                f"A dict must hold {wanted}, with no targets beside it. Received: {sorted(found)}"
            )
        return found if conditional else found["image"]
    parts = list(x) if isinstance(x, (list, tuple)) else [x]
    if not conditional:
        if len(parts) != 1:
            raise ValueError(
                "A model without a condition takes images alone. "
                f"Received: a {type(x).__name__} of {len(parts)}"
            )
        return parts[0]
    if y is not None:
        parts.append(y)
    if len(parts) != 2:
        raise ValueError(
            "A conditional model takes [images, labels] or (image, label) pairs, and no other "
            "targets: an image is its own. Labels that are unknown are -1. "
            f"Received: {len(parts)} of them"
        )
    return parts


def check(data, model) -> None:
    """Checks arrays, or the first batch of a stream, against a model.

    Args:
        data: As for `arrange`.
        model: A `keras_cvae.models.CVAE`.

    Raises:
        ValueError: If pixels or labels are not what the model takes.
    """
    arranged = arrange(data, model.num_classes is not None)
    if isinstance(arranged, dict):
        image, label = arranged["image"], arranged.get("label")
    elif isinstance(arranged, list):
        image, label = arranged
    else:
        image, label = arranged, None
    check_images(image, model.image_shape, bounded=model.bounded)
    if label is not None:
        check_labels(label, model.num_classes, count=len(image))


def check_images(images, image_shape, *, bounded: bool, name: str = "images") -> None:
    """Checks the shape, dtype and values of images.

    Args:
        images: Array of shape `(count, *image_shape)`; a last axis of 1 may be missing.
        image_shape: Shape of one image.
        bounded: Whether pixels must lie in [0, 1].
        name: What the images are called in messages.

    Raises:
        ValueError: If any image is not as expected.
    """
    shape = tuple(getattr(images, "shape", None) or np.shape(images))
    allowed = {image_shape, image_shape[:-1]} if image_shape[-1] == 1 else {image_shape}
    if shape[1:] not in allowed:
        raise ValueError(
            f"`{name}` must have the shape (count, {', '.join(map(str, image_shape))}). "
            f"Received: {shape}"
        )
    if shape[0] == 0:
        raise ValueError(f"`{name}` must hold at least one image. Received: shape {shape}")
    dtype = keras.backend.standardize_dtype(getattr(images, "dtype", np.asarray(images).dtype))
    if dtype == "bool":
        return
    if dtype == "uint8":
        if max(_numpy(images[i : i + ROWS]).max() for i in range(0, shape[0], ROWS)) == 1:
            raise ValueError(
                f"`{name}` of dtype uint8 are divided by 255; pass black and white ones as bool or "
                "float. Received: uint8 values of 0 and 1 alone"
            )
        return
    if "float" not in dtype:
        raise ValueError(
            f"`{name}` must be uint8 (0 to 255) or floating point{' in [0, 1]' * bounded}; "
            f"convert with .astype. Received: dtype {dtype} with values from {np.min(images)} to "
            f"{np.max(images)}"
        )
    for start in range(0, shape[0], ROWS):
        rows = _numpy(images[start : start + ROWS])
        low, high = rows.min(), rows.max()  # a NaN anywhere makes both NaN
        if not (np.isfinite(low) and np.isfinite(high)):
            raise ValueError(
                f"`{name}` must be finite. Received: NaN or infinity among images "
                f"{start} to {start + len(rows) - 1}"
            )
        if bounded and (low < 0 or high > 1):
            raise ValueError(
                f"`{name}` must be in [0, 1] (divide by 255, or pass uint8), as the likelihood or "
                f"the binarisation requires. Received: values from {low:g} to {high:g} among "
                f"images {start} to {start + len(rows) - 1}"
            )


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
    labels = _numpy(labels)
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
    is_stream = hasattr(data, "__iter__") and not hasattr(data, "shape")
    if is_stream and not isinstance(data, (list, tuple, dict)):
        return data, next(iter(data), None)
    return data, None


def _numpy(array) -> np.ndarray:
    if isinstance(array, (list, tuple)):
        return np.asarray(array)
    return keras.ops.convert_to_numpy(array)
