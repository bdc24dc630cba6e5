"""Settings that are chosen from the data, each with its reason, for who does not know better."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keras_cvae import likelihoods, networks, objectives

AUTO = "auto"
PARTS = "likelihood", "objective", "network", "latent_dim"  # arguments of `build_cvae`
STEPS = 8000  # of the optimizer: where more were tried, the validation ELBO had stopped to rise
LONG_STEPS = 4000  # of convolutions and autoregressive rows: each takes longer and teaches more
EPOCHS = 10, 200  # the fewest and the most
SMALL = 5000  # examples, below which small batches learn more from each
TINY = 256  # numbers in an image, up to which a dense network does as well as convolutions
WIDE = 4096  # numbers in an image, above which convolutions are of three sizes
COUNT_AS = 70  # what the pixels of an image count as: neighbours repeat each other
LEAST_BETA = 1.5  # of images, however few their pixels
BINARY_BETA = 2.0  # of images in black and white, whose pixels say less each
AUTOREGRESSIVE_BETA = 0.7  # of rows whose cells know those before them


class Choice(NamedTuple):
    """A setting, and why it was chosen."""

    value: object
    reason: str


def choose(
    x_train: np.ndarray, likelihood=AUTO, network=AUTO, fit_prior: bool = True
) -> dict[str, Choice]:
    """Chooses settings for training data.

    Args:
        x_train: Training images or vectors, as `datasets.load` returns them.
        likelihood: The likelihood, where the user has chosen it.
        network: The network, where the user has chosen it.
        fit_prior: Whether the prior is fitted after training.

    Returns:
        By the names of the arguments of `runs.train`: `likelihood`, `objective`, `network`,
        `latent_dim`, `batch_size` and `epochs`.
    """
    count, *shape = x_train.shape
    numbers = math.prod(shape)
    batch_size = 32 if count < SMALL else 128
    found = {"likelihood": _likelihood(x_train)}
    given = found["likelihood"].value if likelihood == AUTO else likelihood
    of_x = likelihoods.get(given)
    found["objective"] = _objective(shape, of_x, given == "bernoulli", fit_prior)
    is_conv = len(shape) > 1 and numbers > TINY
    if is_conv:
        filters = (32, 64, 128) if numbers > WIDE else (32, 64)
        found["network"] = Choice(networks.Conv(filters), f"images of {numbers:,} numbers")
    else:
        units = 256 if numbers <= 256 else 512
        found["network"] = Choice(networks.Dense((units, units)), f"{numbers:,} numbers an example")
    latent_dim = max(2, min(16, numbers // 2))
    found["latent_dim"] = Choice(
        latent_dim, "what is not needed stays unused" if latent_dim == 16 else "half of the numbers"
    )
    found["batch_size"] = Choice(batch_size, f"{count:,} training examples")
    are_long = (is_conv and network == AUTO) or of_x.autoregressive
    steps = LONG_STEPS if are_long else STEPS
    per_epoch = math.ceil(count / batch_size)
    epochs = int(np.clip(math.ceil(steps / per_epoch), *EPOCHS))
    reason = f"{epochs * per_epoch:,} steps, fewer where validation stops them"
    found["epochs"] = Choice(epochs, reason)
    return found


def _objective(shape, likelihood, is_binary, fit_prior):
    """Weighs the KL divergence by what the prior is.

    A likelihood of independent pixels counts what neighbours say alike once for each. The more of
    them there are, the more of an image goes into z, at last its class. A prior that is fitted to
    each class tells what of z is the class; N(0, I) does not, and a change of the label would then
    change little but for a larger beta.
    """
    pixels = math.prod(shape)
    if likelihood.autoregressive:
        reason = "cells know those before them: at 1 little would be left to z"
        return Choice(objectives.ELBO(AUTOREGRESSIVE_BETA), reason)
    if len(shape) > 1 and likelihood.standardizes and fit_prior and pixels > TINY:
        return Choice(objectives.ELBO(), "the prior that is fitted tells the class from the style")
    if len(shape) > 1 and likelihood.standardizes:
        beta = max(LEAST_BETA, pixels / COUNT_AS)
    elif len(shape) > 1 and is_binary and pixels > COUNT_AS:
        beta = BINARY_BETA
    else:
        return Choice(objectives.ELBO(), "trains the ELBO itself")
    reason = f"neighbours among {pixels:,} pixels repeat each other"
    return Choice(objectives.ELBO(round(beta, 1)), f"{reason}; leaves the class to the label")


def _likelihood(x):
    """Black and white, pixels, or numbers.

    The variance of pixels is calculated: one that is learned moves by the learning rate a step, and
    in a few thousand steps does not come from where it starts to that of images with little noise.
    """
    if x.dtype != np.uint8 and (x.min() < 0 or x.max() > 1):
        return Choice(likelihoods.Gaussian(), "numbers of any scale; the variance is learned")
    top = 255 if x.dtype == np.uint8 else 1
    if all(((part == 0) | (part == top)).all() for part in np.array_split(x, -(-len(x) // 4096))):
        return Choice("bernoulli", "every pixel is black or white")
    return Choice("optimal_gaussian", "grey or colour; the variance is calculated")
