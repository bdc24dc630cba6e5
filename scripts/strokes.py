"""Measures of handwriting: the thickness and the slant of its strokes."""

from __future__ import annotations

import numpy as np

from keras_cvae.checks import ArgumentError


def thickness(images: np.ndarray) -> np.ndarray:
    """Returns the mean thickness of the strokes of images, in pixels.

    In a straight stroke of width w, the mean distance of ink to the background is (w + 2) / 4, or
    slightly more if w is odd; this is solved for w.

    Args:
        images: Array of shape `(count, height, width[, 1])`, in [0, 1]; ink is above 0.5.

    Returns:
        Array of shape `(count,)`; 0 for an image without ink.
    """
    from scipy import ndimage

    inks = _as_pages(images) > 0.5
    return np.array(
        [
            4 * ndimage.distance_transform_edt(ink)[ink].mean() - 2 if ink.any() else 0.0
            for ink in inks
        ]
    )


def slant(images: np.ndarray) -> np.ndarray:
    """Returns the slant of images, in columns to the right per row upwards.

    It is the slope of the regression of the ink's columns on its rows; 0 is upright.

    Args:
        images: Array of shape `(count, height, width[, 1])`, in [0, 1].

    Returns:
        Array of shape `(count,)`; 0 for an image with at most one row of ink.
    """
    ink = _as_pages(images).astype("float64")
    total = np.maximum(ink.sum((1, 2), keepdims=True), 1e-12)
    rows, columns = np.indices(ink.shape[1:])
    y = rows - (ink * rows).sum((1, 2), keepdims=True) / total
    x = columns - (ink * columns).sum((1, 2), keepdims=True) / total
    spread = (ink * y * y).sum((1, 2))
    return -(ink * x * y).sum((1, 2)) / np.where(spread > 0, spread, 1.0)


def _as_pages(images):
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    if images.ndim != 3:
        expected = "`images` must be of shape (count, height, width) or (count, height, width, 1)"
        raise ArgumentError(None, f"{expected}", f"shape {images.shape}")
    return images
