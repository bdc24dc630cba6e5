"""Checks of the arrays that readers return: all images and all labels must have one form."""

from __future__ import annotations

import math
import reprlib

import numpy as np

from keras_cvae.checks import require
from keras_cvae.data import arrays, images
from keras_cvae.data.readers import UNLABELLED, Part

MAX_CLASSES = 65536  # each needs a class name and a column of the one-hot vector


def check_parts(parts: list[Part], size: tuple[int, int] | None) -> tuple[list[Part], list[str]]:
    """Checks and converts the arrays of a reader.

    Args:
        parts: The parts that a reader returned, the training part first.
        size: `(height, width)` to resize images to, or None.

    Returns:
        `(parts, notes)`: the converted parts, and sentences about changes of the data.

    Raises:
        ValueError: If they are not images or vectors, with labels of two classes or more.
    """
    parts, notes = _in_range(parts)
    are_pixels = _are_pixels([part.images for part in parts])
    span = _span([part.images for part in parts])
    results = []
    for index, part in enumerate(parts):
        x = _images(part.images, part.origins[0], size, are_pixels, span)
        least = -1 if index == 0 else 0  # unknown labels in the training part only
        y = None if part.labels is None else _labels(part.labels, part.origins[1], least)
        if y is not None:
            received = f"{len(x)} in {part.origins[0]} and {len(y)} in {part.origins[1]}"
            require(len(x) == len(y), None, "There must be as many labels as images", received)
        results.append(Part(x, y, part.origins))
    kinds = [f"{part.images.shape[1:]} {part.images.dtype}" for part in results]
    for part, kind in zip(results, kinds, strict=True):
        received = f"{kinds[0]} in {results[0].origins[0]} and {kind} in {part.origins[0]}"
        expected = "Training and test images must have one shape and dtype"
        require(kind == kinds[0], None, expected, received)
    x, y, origins = results[0]
    expected = f"{origins[0]} must have pixels in 0..255 (binary ones: `x.astype('float32')`)"
    require(x.dtype != "uint8" or x.max() != 1, None, expected, "integers of at most 1")
    if y is not None:
        labels = np.unique(y[y >= 0])
        expected = f"{origins[1]} must contain two or more classes"
        received = f"only label {labels[0] if len(labels) else -1}"
        if len(labels) == 1 and (y < 0).any():
            received += ", and -1, which means unknown: is it a class? Number classes from 0"
        require(len(labels) > 1, None, expected, received, UNLABELLED)
    return results, notes


def _in_range(parts):
    """Converts images of uint16 above 255 to floats in [0, 1]; returns others unchanged."""
    values = [part.images for part in parts]
    are_deep = all(x.dtype == "uint16" and x.ndim in (3, 4) and x.size for x in values)
    greatest = max(x.max() for x in values) if are_deep else 0
    if greatest <= 255:
        return parts, []
    white = np.float32(arrays.full_scale(greatest))
    parts = [part._replace(images=part.images.astype("float32") / white) for part in parts]
    return parts, [f"Images of uint16, of at most {greatest}, are divided by {white:.0f}"]


def _are_pixels(arrays):
    """Returns whether vectors are pixels: bytes, or integers that span 0 to 255 exactly."""
    if any(x.dtype == "uint8" for x in arrays):
        return True
    if not all(x.ndim == 2 and x.size and x.dtype.kind in "iu" for x in arrays):
        return False
    return min(x.min() for x in arrays) == 0 and max(x.max() for x in arrays) == 255


def _images(x, origin, size, are_pixels, span):
    require(x.dtype.kind in "buif", None, f"{origin} must contain numbers", f"dtype {x.dtype}")
    shaped = (
        f"{origin} must contain images (N, H, W) or (N, H, W, C) or vectors (N, D), at least one"
    )
    require(x.ndim in (2, 3, 4) and x.size, None, shaped, f"shape {x.shape}")
    x = x[..., None] if x.ndim == 3 else x
    low, high = float(x.min()), float(x.max())
    finite = math.isfinite(low) and math.isfinite(high)
    require(finite, None, f"{origin} must be finite", "NaN or infinite values")
    is_whole = x.dtype.kind in "iu" and (x.ndim == 4 or are_pixels)
    if x.ndim == 4 or is_whole:
        least, most = 0, 255 if is_whole else 1
        expected = f"have integer pixels in 0..255, or floats in [0, 1] ({_advice(*span)})"
    else:
        most = float(np.finfo("float32").max)
        least, expected = -most, "contain numbers within the range of float32"
    received = f"{x.dtype} from {low:g} to {high:g}"
    require(least <= low and high <= most, None, f"{origin} must {expected}", received)
    # An array over a file's bytes is read-only.
    x = np.require(x, "uint8" if is_whole else "float32", "W")
    if size and x.shape[1:3] != size:
        require(x.ndim == 4, "image_size", f"resizes images only, not {origin}", f"shape {x.shape}")
        x = np.stack([images.resize(image, size) for image in x])
    return x


def _span(arrays):
    """Returns the least and the greatest number in arrays."""
    arrays = [x for x in arrays if x.dtype.kind in "buif" and x.size]
    least, most = (min(map(np.min, arrays)), max(map(np.max, arrays))) if arrays else (0, 0)
    return float(least), float(most)


def _advice(low, high):
    """Returns advice for scaling images with these least and greatest values to [0, 1]."""
    if 0 <= low and 1 < high <= 255:
        return "divide by 255?"
    if low == high:
        return "rescale them?"
    if -1 <= low and high <= 1:
        return "(x + 1) / 2?"
    shifted = f"x - {low!r}" if low >= 0 else f"x + {-low!r}"
    return f"of all images, ({shifted}) / {high - low!r}?"


def _labels(y, origin, least):
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    expected = f"{origin} must contain integer labels of shape (N,), or one-hot rows"
    received = f"dtype {y.dtype}, shape {y.shape}"
    require(y.ndim in (1, 2) and y.dtype.kind in "biuf", None, expected, received)
    is_whole = np.isfinite(y).all() and (y == np.rint(y)).all()
    require(is_whole, None, expected, f"{received}, numbers that are not whole")
    if y.ndim == 2:  # a row of zeros is unknown
        is_one_hot = ((y == 0) | (y == 1)).all() and (y.sum(1) <= 1).all()
        require(is_one_hot, None, expected, received)
        y = np.where(y.any(1), y.argmax(1), -1)
    labels = np.unique(y)
    inside = not labels.size or (labels[0] >= least and labels[-1] < MAX_CLASSES)
    unknown = "" if least == 0 else ", or -1 for unknown"
    expected = f"{origin} must contain labels 0, 1, ... below {MAX_CLASSES}{unknown}"
    require(inside, None, expected, labels)
    return y.astype("int32")


def class_names(parts: list[Part], names, class_names) -> tuple[str, ...]:
    """Returns the names of the classes: those of the user, of the source, or the labels as text.

    Args:
        parts: Checked parts.
        names: Names in the source, or None.
        class_names: Names that the user passed, or None.

    Raises:
        ValueError: If there is not one name for each class, or two names are equal.
    """
    if parts[0].labels is None:
        return ()
    count = max(part.labels.max() for part in parts) + 1
    if names is None:
        names = [str(label) for label in range(count)]
    source = "The array class_names of the .npz file "
    names = _check_names(None, source, names, max(count, len(names)))
    if class_names is None:
        return names
    return _check_names("class_names", "", class_names, len(names))


def _check_names(argument, source, names, count):
    is_list = isinstance(names, (list, tuple, np.ndarray))
    # A name that UTF-8 cannot encode was read from bytes that are not UTF-8.
    valid = is_list and all(
        isinstance(name, str) and name.strip() and name == name.encode(errors="ignore").decode()
        for name in names
    )
    expected = f"{source}must be {count} different, non-empty strings, one for each class"
    require(valid and len({*names}) == len(names) == count, argument, expected, reprlib.repr(names))
    return tuple(map(str, names))
