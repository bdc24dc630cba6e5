"""Checks what is drawn: images, labels and their names, and coordinates as texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import array, convert, require

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

ROUNDING = 1e-6  # how far float32 arithmetic may leave [0, 1]


def images(
    argument: str,
    values: ArrayLike,
    leading: tuple[str, ...] = ("N",),
    shape: tuple[int | None, ...] | None = None,
) -> np.ndarray:
    """Returns checked float32 images in [0, 1] with `leading` axes, then `(H, W, C)`.

    Args:
        argument: The name of the argument, for the message.
        values: Images of shape `(*leading, H, W[, C])`.
        leading: Names of the leading axes.
        shape: The shape to be returned, where `None` is any length; by default any.
    """
    original, scaled = convert(argument, "must be an array of numbers", values, "float32")
    received = f"shape {original.shape}"
    expected = f"must be of shape ({', '.join(leading)}, H, W[, C])"
    has_shape = original.ndim - len(leading) in (2, 3)
    require(has_shape, argument, expected + "; reshape vectors into images first", received)
    if original.ndim == len(leading) + 2:
        scaled = scaled[..., None]
    require(scaled.shape[-1] in (1, 3), argument, "must have 1 or 3 channels", received)
    require(scaled.size, argument, "must not be empty", received)
    if shape is not None:
        fits = all(n in (None, size) for n, size in zip(shape, scaled.shape, strict=True))
        sizes = ", ".join("any" if n is None else str(n) for n in shape)
        require(fits, argument, f"must be of shape ({sizes})", received)
    if original.dtype == np.uint8:
        return scaled / 255.0
    low, high = scaled.min(), scaled.max()  # NaN, if there is one, and that compares false
    expected = "must be uint8, or in [0, 1] without NaN"
    inside = low >= -ROUNDING and high <= 1 + ROUNDING
    require(inside, argument, expected, f"{original.dtype} values from {low:g} to {high:g}")
    return np.clip(scaled, 0.0, 1.0)


def labels(
    argument: str, values: ArrayLike, class_names: Sequence[str] | None, count: int
) -> np.ndarray:
    """Returns `count` checked labels, -1 for an unlabelled image."""
    known = array(argument, values, (count,), "int64")
    highest = np.inf if class_names is None else len(class_names) - 1
    last = "any class" if class_names is None else f"{highest}, the last of `class_names`"
    expected = f"must be between -1 (unlabelled) and {last}"
    inside = known.min() >= -1 and known.max() <= highest
    require(inside, argument, expected, f"labels from {known.min()} to {known.max()}")
    return known


def names(
    argument: str, values: ArrayLike, class_names: Sequence[str] | None, count: int
) -> list[str]:
    """Returns the name of the class of each label."""
    return [
        "unlabelled" if label < 0 else str(label if class_names is None else class_names[label])
        for label in labels(argument, values, class_names, count).tolist()
    ]


def decimals(values: np.ndarray) -> list[str]:
    """Returns coordinates as texts, with as few decimals as show their differences."""
    step = np.ptp(values) / max(len(values) - 1, 1) or np.abs(values).max()
    errors = (np.abs(np.round(values, d) - values).max() <= 0.03 * step for d in range(6))
    places = next((d for d, fits in enumerate(errors) if fits), 6)
    return [f"{value:.{places}f}" for value in np.round(values, places) + 0.0]
