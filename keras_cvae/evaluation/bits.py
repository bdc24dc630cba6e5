"""Prepares images so that bits per dimension of different likelihoods are comparable."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks
from keras_cvae.evaluation import examples

BYTES = 256  # the levels of uint8


def as_levels(cvae, x, *, seed: int = 0) -> tuple[np.ndarray, int | None]:
    """Returns images and levels for which `bits_per_dimension` is the length of a code.

    If the likelihood is a probability, images with its levels do not change. If it is a density,
    bytes k become (k + u) / 256 with uniform noise u in [0, 1): their mean log-density is at most
    the log-probability of k under the model that rounds.

    Args:
        cvae: A `CVAE`.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        seed: Seed of u, sampled once.

    Returns:
        `(images, levels)`: images for `log_likelihood` or `terms`, and the argument `levels` of
        `bits_per_dimension`.

    Raises:
        ValueError: If the likelihood is a density and the images are not uint8, or it is a
            probability and pixels have values that are not its levels.

    Reference:
        [Theis et al., 2016, section 3.1](https://arxiv.org/abs/1511.01844).
    """
    x = cvae.intake.images(x)
    levels, kind = cvae.likelihood.levels, type(cvae.likelihood).__name__
    if levels is None:
        expected = f"Pixels must be uint8 for the density of {kind} to become bits"
        checks.require(x.dtype == np.uint8, None, expected, x.dtype)
        noise = np.random.default_rng(seed).random(x.shape, "float32")
        return (x + noise) / np.float32(BYTES), BYTES
    steps = examples.pixels(cvae, x) * (levels - 1)
    expected = f"Pixels must be at the {levels} levels of {kind} for its bits"
    checks.require(
        np.abs(steps - np.round(steps)).max() < 1e-3, None, expected, "values between them"
    )
    return x, None
