"""Default settings of a run, chosen from the training data, each with a reason."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keras_cvae import likelihoods, networks, objectives

AUTO = "auto"
PARTS = "likelihood", "objective", "network", "latent_dim"  # arguments of `build_cvae`
STEPS = 8000  # optimizer steps: with more, the validation ELBO did not increase
LONG_STEPS = 4000  # for convolutions and autoregressive rows, whose steps take longer
EPOCHS = 10, 200  # the smallest and the largest number
SMALL = 5000  # number of examples below which small batches are better
TINY = 256  # numbers per image up to which a dense network is as good as convolutions
WIDE = 4096  # numbers per image above which there are three convolutions
COUNT_AS = 70  # effective number of independent pixels of an image, as neighbours are similar
LEAST_BETA = 1.5  # for images with few pixels
BINARY_BETA = 2.0  # for black and white images, whose pixels contain less information
AUTOREGRESSIVE_BETA = 0.7  # for rows whose cells depend on the cells before them


class Choice(NamedTuple):
    """A setting, and the reason for it."""

    value: object
    reason: str


def choose(
    x_train: np.ndarray, likelihood=AUTO, network=AUTO, fit_prior: bool = True
) -> dict[str, Choice]:
    """Chooses settings for training data.

    Args:
        x_train: Training images or vectors, as from `datasets.load`.
        likelihood: The likelihood, if the user has chosen it.
        network: The network, if the user has chosen it.
        fit_prior: Whether the prior is fitted after training.

    Returns:
        Dict of `Choice`s by the names of arguments of `runs.train`: `likelihood`, `objective`,
        `network`, `latent_dim`, `batch_size` and `epochs`.
    """
    count, *shape = x_train.shape
    numbers = math.prod(shape)
    batch_size = 32 if count < SMALL else 128
    choices = {"likelihood": _likelihood(x_train)}
    name = choices["likelihood"].value if likelihood == AUTO else likelihood
    of_x = likelihoods.get(name)
    choices["objective"] = _objective(shape, of_x, name == "bernoulli", fit_prior)
    is_conv = len(shape) > 1 and numbers > TINY
    if is_conv:
        filters = (32, 64, 128) if numbers > WIDE else (32, 64)
        choices["network"] = Choice(networks.Conv(filters), f"images of {numbers:,} numbers")
    else:
        units = 256 if numbers <= 256 else 512
        choices["network"] = Choice(
            networks.Dense((units, units)), f"{numbers:,} numbers per example"
        )
    latent_dim = max(2, min(16, numbers // 2))
    reason = "half of the numbers of an example"
    reason = "unneeded dimensions stay unused" if latent_dim == 16 else reason
    choices["latent_dim"] = Choice(latent_dim, reason)
    choices["batch_size"] = Choice(batch_size, f"{count:,} training examples")
    are_long = (is_conv and network == AUTO) or of_x.autoregressive
    steps = LONG_STEPS if are_long else STEPS
    per_epoch = math.ceil(count / batch_size)
    epochs = int(np.clip(math.ceil(steps / per_epoch), *EPOCHS))
    reason = f"{epochs * per_epoch:,} steps, or fewer if validation stops training"
    choices["epochs"] = Choice(epochs, reason)
    return choices


def _objective(shape, likelihood, is_binary, fit_prior):
    """Chooses beta, the weight of the KL divergence.

    A likelihood of independent pixels counts similar neighbours as if each were new information.
    The more pixels there are, the more information on an image is stored in z, and finally also its
    class; then another label changes little. A larger beta prevents this. It is unnecessary with a
    prior that is fitted to the encodings of each class.
    """
    pixels = math.prod(shape)
    if likelihood.autoregressive:
        reason = "cells depend on those before them, so at 1 z would contain little information"
        return Choice(objectives.ELBO(AUTOREGRESSIVE_BETA), reason)
    if len(shape) > 1 and likelihood.standardizes and fit_prior and pixels > TINY:
        return Choice(objectives.ELBO(), "the fitted prior separates class and style")
    if len(shape) > 1 and likelihood.standardizes:
        beta = max(LEAST_BETA, pixels / COUNT_AS)
    elif len(shape) > 1 and is_binary and pixels > COUNT_AS:
        beta = BINARY_BETA
    else:
        return Choice(objectives.ELBO(), "the loss is minus the ELBO")
    reason = f"neighbours among {pixels:,} pixels are similar: at 1, z would also contain the class"
    return Choice(objectives.ELBO(round(beta, 1)), reason)


def _likelihood(x):
    """Chooses a likelihood for black and white pixels, grey or colour ones, or numbers.

    The variance of pixels is calculated. A learned variance changes by the learning rate in a step,
    and does not reach that of images with little noise in a few thousand steps.
    """
    if x.dtype != np.uint8 and (x.min() < 0 or x.max() > 1):
        return Choice(likelihoods.Gaussian(), "numbers of any scale; the variance is learned")
    top = 255 if x.dtype == np.uint8 else 1
    if all(((part == 0) | (part == top)).all() for part in np.array_split(x, -(-len(x) // 4096))):
        return Choice("bernoulli", "every pixel is black or white")
    return Choice("optimal_gaussian", "grey or colour; the variance is calculated")
