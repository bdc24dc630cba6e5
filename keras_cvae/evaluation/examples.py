"""Prepares examples for measures: checks them, infers labels, and binarises pixels."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_cvae import checks


def check(cvae, x, y=None) -> tuple[np.ndarray, list[np.ndarray]]:
    """Checks images and their labels or other conditions.

    Args:
        cvae: A `CVAE`.
        x: As for `CVAE.encode`.
        y: As for `CVAE.encode`.

    Returns:
        `(images, values)`: the images, and an array for each other input, with unknown values
        inferred if the model infers them.

    Raises:
        ValueError: If they are invalid.
    """
    images = cvae.intake.images(x)
    return images, [*cvae.infer_missing(images, cvae.intake.values(y, len(images))).values()]


def count_classes(cvae) -> int:
    """Returns the number of classes of a model.

    Raises:
        ValueError: If its condition is not one of classes.
    """
    expected = "must have a condition of classes"
    checks.require(cvae.classes, "cvae", expected, type(cvae.condition).__name__)
    return len(cvae.classes)


def possible_values(cvae, x, y=None) -> tuple[np.ndarray, Iterator[tuple], dict]:
    """Returns the possible labels of images, over which the bound is averaged.

    Args:
        cvae: A `CVAE`.
        x: As for `CVAE.encode`.
        y: As for `CVAE.encode`.

    Returns:
        `(images, values, label_terms)`: the images; an iterator of `(rows, y, weights)`, an index
        of the images, their labels, and the weights of these in the bound; and the terms of minus
        the bound that depend on the labels only, arrays of shape `(count,)` by name.

    Raises:
        ValueError: If they are invalid.
    """
    images = cvae.intake.images(x)
    values = cvae.intake.values(y, len(images))
    if not values:
        return images, iter([(slice(None), None, 1.0)]), {}
    condition = cvae.condition

    def infer(rows):
        return cvae.infer(images[rows])

    every = condition.possible_values(values, infer)
    named = ((rows, condition.as_argument(known), weights) for rows, known, weights in every)
    return images, named, condition.label_terms(values, infer)


def pixels(cvae, images, rng=None) -> np.ndarray:
    """Converts images to pixels for the likelihood: float32, binarised as in training.

    Args:
        cvae: A `CVAE`.
        images: Checked images, uint8 or floats.
        rng: A NumPy generator for random binarisation; by default a new one with seed 0.
    """
    x = images / np.float32(255) if images.dtype == np.uint8 else images
    if cvae.binarize is not None:
        rng = rng or np.random.default_rng(0)
        x = x > (rng.random(x.shape) if cvae.binarize.is_random else 0.5)
    return x.astype("float32")
