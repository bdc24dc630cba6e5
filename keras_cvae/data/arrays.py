"""Checks of the arrays that a user passes: images, vectors and weights, all or one batch.

Checked data is returned in a standard form, and copied only if its type must change.
"""

from __future__ import annotations

import keras
import numpy as np

from keras_cvae.checks import ArgumentError

ROWS = 4096  # examples checked at a time, so that a memory-mapped array is never copied whole
WEIGHT = "sample_weight"
MOST_FLOAT = float(np.finfo("float32").max)
MOST_COUNT = 2**24  # float32 represents all integers up to here


def array(values, name: str) -> np.ndarray:
    """Converts DataFrames, series, tensors and lists to NumPy arrays.

    NumPy arrays, including memory-mapped ones, are returned unchanged.

    Args:
        values: What the user passed.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If `values` is not an array of numbers.
    """
    if isinstance(values, np.ndarray):
        result = values
    elif type(values).__module__.startswith("pandas") and _is_categorical(values):
        raise ArgumentError(
            name,
            "must be integers, -1 for unknown; for a pandas categorical, pass its codes",
            f"{type(values).__name__} of dtype category",
        )
    elif keras.ops.is_tensor(values):
        result = keras.ops.convert_to_numpy(values)
    else:
        try:
            result = np.asarray(values)
        except ValueError as error:
            raise ArgumentError(name, "must be an array of numbers", f"{error}") from None
    if result.dtype.kind not in "buif" and result.dtype.name != "bfloat16":
        raise ArgumentError(
            name, "must be an array of numbers", f"{type(values).__name__} of dtype {result.dtype}"
        )
    return result


def as_floatx(array: np.ndarray) -> np.ndarray:
    """Converts an array of floats to `keras.config.floatx()`; returns others unchanged."""
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx(), copy=False) if is_float else array


def _is_categorical(values):
    return str(getattr(values, "dtype", "")) == "category"


def check_images(images, image_shape, check, name="x") -> np.ndarray:
    """Checks the shape, dtype and values of images.

    Args:
        images: Array of shape `(count, *image_shape)`; a last axis of 1 may be missing.
        image_shape: Shape of one image.
        check: Function of an array and its name that checks the values and returns the array.
        name: Name of the argument, for messages.

    Returns:
        The result of `check`, of shape `(count, *image_shape)`.

    Raises:
        ValueError: If shape, type or a value is not as expected.
    """
    images = array(images, name)
    shape, image_shape = images.shape, tuple(image_shape)
    allowed = {image_shape, image_shape[:-1]} if image_shape[-1] == 1 else {image_shape}
    if shape[1:] not in allowed:
        raise ArgumentError(
            name, f"must have the shape (count, {', '.join(map(str, image_shape))})", f"{shape}"
        )
    if shape[0] == 0:
        raise ArgumentError(name, "must contain at least one image", f"shape {shape}")
    return check(images.reshape(-1, *image_shape), name=name)


def check_values(images, support, name: str) -> np.ndarray:
    """Checks that images are finite and within bounds, and returns them.

    Args:
        images: Array of shape `(count, ...)`.
        support: The least and the greatest value allowed.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If a value is not finite or out of bounds.
    """
    low, high = support
    bounded = np.isfinite(low) or np.isfinite(high)
    dtype = images.dtype
    if dtype == "bool":
        return images
    starts = range(0, len(images), ROWS)
    if dtype == "uint8":
        if max(images[start : start + ROWS].max() for start in starts) == 1:
            raise ArgumentError(
                name,
                "of dtype uint8 are divided by 255; pass black and white ones as bool or float",
                "uint8 values of 0 and 1 alone",
            )
        return images
    if "float" not in dtype.name:
        within = f" in [{low:g}, {high:g}]" if bounded else ""
        raise ArgumentError(
            name,
            f"must be uint8 (0 to 255) or floating point{within}"
            f"{_remedy(images.min(), images.max(), dtype, bounded)}",
            f"dtype {dtype} with values from {images.min()} to {images.max()}",
        )
    for start in starts:
        rows = images[start : start + ROWS]
        least, most = rows.min(), rows.max()  # a NaN anywhere makes both NaN
        among = f"images {start} to {start + len(rows) - 1}"
        if not (np.isfinite(least) and np.isfinite(most)):
            raise ArgumentError(name, "must be finite", f"NaN or infinity among {among}")
        if least < low or most > high:
            raise ArgumentError(
                name,
                f"must be in [{low:g}, {high:g}]"
                f"{_remedy(images.min(), images.max(), dtype)}, as the likelihood or the "
                "binarisation requires",
                f"values from {least:g} to {most:g} among {among}",
            )
    return images


def _remedy(least, most, dtype, bounded=True):
    """Returns advice: a line of code for scaling images to the range."""
    return f": `{rescaling(least, most, dtype)}`" if bounded else ": `x.astype('float64')`"


def rescaling(least: float, most: float, dtype) -> str:
    """Returns a line of code that scales images `x`, from `least` to `most`, to [0, 1]."""
    if 0 <= least and most <= 1:
        return "x.astype('float32')"
    if 0 <= least and most <= 255:
        return "x / 255"
    if 0 <= least and "uint" in str(dtype):
        return f"x / {full_scale(int(most))}"
    if -1 <= least and most <= 1:
        return "(x + 1) / 2"
    return "(x - x.min()) / (x.max() - x.min())" if least < 0 else "x / x.max()"


def full_scale(greatest: int) -> int:
    """Returns the value of white in images of more than 8 bits: the largest number of that depth.

    Args:
        greatest: The largest pixel of all images. For 3531, which has 12 bits, white is 4095.
    """
    return 2 ** max(8, int(greatest).bit_length()) - 1


def check_counts(images, name: str) -> np.ndarray:
    """Checks counts and returns them as floats.

    Args:
        images: Array of shape `(count, ...)`.
        name: Name of the argument, for messages.

    Raises:
        ValueError: If they are uint8, or not whole numbers of at least 0.
    """
    if images.dtype == "uint8":
        raise ArgumentError(
            name,
            "of dtype uint8 are pixels, divided by 255; pass counts, as the likelihood "
            "requires them, as int32 or float32",
            "dtype uint8",
        )
    expected = f"must be counts, as the likelihood requires: whole numbers of 0 to {MOST_COUNT}"
    for start in range(0, len(images), ROWS):
        rows = images[start : start + ROWS]
        among = f"images {start} to {start + len(rows) - 1}"
        if not np.isfinite(rows).all():
            raise ArgumentError(name, "must be finite", f"NaN or infinity among {among}")
        if rows.min() < 0 or rows.max() > MOST_COUNT:
            values = f"values from {rows.min():g} to {rows.max():g}"
            raise ArgumentError(name, expected, f"{values} among {among}")
        if (broken := rows != np.floor(rows)).any():
            raise ArgumentError(name, expected, f"{rows[broken][0]:g} among {among}")
    return images if "float" in images.dtype.name else images.astype("float32")


def check_vectors(vectors, size: int, *, count: int | None = None, name: str) -> np.ndarray:
    """Checks continuous conditions and returns them as an array of floats, `(count, size)`.

    Args:
        vectors: Numbers of shape `(count, size)`, or `(count,)` if `size` is 1; a row that contains
            a NaN is unknown.
        size: Length of one vector.
        count: The number of vectors required; any number by default.
        name: Name of the argument, for messages.

    Returns:
        Array of float32 if `vectors` is, otherwise of float64.

    Raises:
        ValueError: If shape, type or a value is not as expected.
    """
    vectors = array(vectors, name)
    if vectors.ndim == 1 and size == 1:
        vectors = vectors[:, None]
    if vectors.dtype != "float32":
        vectors = vectors.astype("float64")
    return check_tensors(vectors, (size,), count=count, name=name, dtype=vectors.dtype)


def check_tensors(
    tensors, shape, *, count: int | None = None, name: str, dtype="float32"
) -> np.ndarray:
    """Checks conditions of any shape; returns them as `dtype`, or pixels as uint8.

    Args:
        tensors: Array of shape `(count, *shape)`, NaN for unknown. Examples with two axes or more
            may be uint8, which a model scales to [0, 1].
        shape: Shape of one example.
        count: The number of examples required; any number by default.
        name: Name of the argument, for messages.
        dtype: Type of the returned array.

    Raises:
        ValueError: If shape, type or a value is not as expected.
    """
    if tensors.shape[1:] != tuple(shape) or not tensors.ndim or count not in (None, len(tensors)):
        sizes = ", ".join(map(str, ("count" if count is None else count, *shape)))
        raise ArgumentError(name, f"must have the shape ({sizes})", f"{tensors.shape}")
    if tensors.dtype == "uint8":
        if len(shape) == 1:
            raise ArgumentError(
                name,
                "must be floating point: only images are scaled from 0..255",
                "vectors of dtype uint8",
            )
        return tensors
    for start in range(0, len(tensors), ROWS):
        if (np.abs(tensors[start : start + ROWS]) > MOST_FLOAT).any():
            raise ArgumentError(name, "must be finite, or NaN where unknown", "infinity")
    return tensors.astype(dtype, copy=False)


def check_weights(weights, *, count: int) -> np.ndarray:
    """Checks `sample_weight` and returns it as a float32 array of shape `(count,)`.

    Args:
        weights: The weights.
        count: The number of examples.

    Raises:
        ValueError: If there is not one finite weight of at least 0 for each image.
    """
    weights = array(weights, WEIGHT)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.shape != (count,):
        raise ArgumentError(
            WEIGHT, f"must be {count} numbers, one for each image", f"shape {weights.shape}"
        )
    weights = weights.astype("float32")
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ArgumentError(
            WEIGHT,
            "must be finite and at least 0",
            f"values from {weights.min():g} to {weights.max():g}",
        )
    return weights
