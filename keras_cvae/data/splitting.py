"""Splits of data sets into training, validation and test examples."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_cvae import checks


def split_part(part, names, source, test_fraction, seed) -> list[tuple]:
    """Splits images into a training and a test part, with the same share of every class.

    Unlabelled images are in the training part.

    Args:
        part: `(images, labels, origins)`; a label of -1 is unknown, or the labels are None.
        names: Names of the classes, for messages.
        source: Path of the data, for messages.
        test_fraction: The share, or the number, of test images.
        seed: Seed of the split.

    Returns:
        `[(x, y), (x, y)]`: the training and the test images with their labels.

    Raises:
        ValueError: If there are too few images.
    """
    x, y, _ = part
    rows, others = np.arange(len(x)), np.arange(0)
    each, received = "", f"{len(x)} images and a test share of {test_fraction}"
    if y is not None:
        rows, others = np.flatnonzero(y >= 0), np.flatnonzero(y < 0)
        labels, counts = np.unique(y[rows], return_counts=True)
        rarest = f"{counts.min()} of class '{names[labels[counts.argmin()]]}'"
        each, received = " of each class", f"{rarest} among {received}"
    try:
        parts = split(rows, take(y, rows), test_fraction, seed, by_label=y is not None)
    except ValueError as error:
        expected = (
            f"'{source}' must contain enough images to train with one{each} and test with one"
        )
        raise checks.ArgumentError(None, expected, received) from error
    (kept, _), (held, _) = parts
    kept = np.concatenate([kept, others]).astype(int)
    return [(x[rows], take(y, rows)) for rows in (kept, held)]


def split(x, y, held_out: int | float, seed: int, by_label: bool = False) -> list[tuple]:
    """Splits examples at random.

    Args:
        x: Array of shape `(count, ...)`.
        y: Labels, a dict of arrays of the same length, or None.
        held_out: The number of examples to hold out, or their share.
        seed: Seed of the split.
        by_label: Whether to hold out the same share of each label.

    Returns:
        `[(x, y), (x, y)]`: the kept and the held-out examples.
    """
    from sklearn.model_selection import train_test_split

    rows = train_test_split(
        np.arange(len(x)), test_size=held_out, random_state=seed, stratify=y if by_label else None
    )
    return [(x[kept], take(y, kept)) for kept in rows]


def take(y, rows) -> Any:
    """Returns rows of an array, or of each array of a dict; None for None.

    Args:
        y: An array, a dict of arrays, or None.
        rows: Indices, a slice or a mask.
    """
    return None if y is None else keras.tree.map_structure(lambda values: values[rows], y)
