r"""A mixture of logistics of normal scores: the distribution of a number in a row.

p(s) = \sum_k w_k f((s - m_k) / d_k) / d_k, f the logistic density; an interval of scores has the
probability of the same mixture, \sum_k w_k [F((b - m_k) / d_k) - F((a - m_k) / d_k)].

Parameters of a column are the K logits of w, the K means and the K logarithms of d.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_cvae import noise, portable
from keras_cvae.likelihoods import categorical
from keras_cvae.types import Tensor

NARROWEST, WIDEST = -7.0, 2.0  # limits of log d
FIRST = -0.7  # log d for outputs of 0; the means are then spread evenly
SPREAD = 1.5


def log_prob(scores, parameters, components: int) -> Tensor:
    """Returns log-probabilities of intervals, and log-densities of single scores.

    Args:
        scores: `quantiles.Scores` of shape `(batch, columns)`.
        parameters: Tensor of shape `(batch, columns, 3 * components)`.
        components: The number K.

    Returns:
        Tensor of shape `(batch, columns)`, in nats; a density is of the cell, not of its score.
    """
    logits, means, log_widths = _split(parameters, components)
    rate = ops.exp(-log_widths)
    is_interval = ops.expand_dims(scores.high > scores.low, -1)
    low, high = (ops.expand_dims(end, -1) for end in (scores.low, scores.high))
    above, below = (low - means) * rate, (high - means) * rate
    overlap = ops.where(is_interval, (high - low) * rate, 1.0)
    joint = -ops.softplus(-below) - ops.softplus(above)
    joint = joint + ops.where(is_interval, ops.log(-ops.expm1(-overlap)), -log_widths)
    total = ops.logsumexp(ops.log_softmax(logits) + joint, axis=-1)
    return total + ops.where(scores.high > scores.low, 0.0, scores.log_slope)


def median(parameters, components: int) -> Tensor:
    """Returns the mean of the component that is closest to the median of the mixture.

    Args:
        parameters: As for `log_prob`.
        components: As for `log_prob`.

    Returns:
        Tensor of shape `(batch, columns)`.
    """
    logits, means, log_widths = _split(parameters, components)
    difference = ops.expand_dims(means, -1) - ops.expand_dims(means, -2)
    within = ops.sigmoid(difference * ops.exp(-ops.expand_dims(log_widths, -2)))
    below = ops.sum(ops.expand_dims(ops.softmax(logits), -2) * within, axis=-1)
    chosen = portable.one_hot_of_greatest(-ops.abs(below - 0.5))
    return ops.sum(chosen * means, axis=-1)


def sample(parameters, components: int, seed) -> Tensor:
    """Samples scores, a tensor of shape `(batch, columns)`.

    Args:
        parameters: As for `log_prob`.
        components: As for `log_prob`.
        seed: Two seeds, as for `noise.uniform`.
    """
    logits, means, log_widths = _split(parameters, components)
    place = ops.cast(categorical.sample_category(logits, seed[0]), "int32")
    chosen = ops.one_hot(place, components, dtype="float32")
    mean, log_width = (ops.sum(chosen * part, axis=-1) for part in (means, log_widths))
    uniform = noise.uniform(ops.shape(mean), seed[1], minval=1e-7)
    return mean + ops.exp(log_width) * (ops.log(uniform) - ops.log1p(-uniform))


def _split(parameters, components):
    logits, means, log_widths = ops.split(parameters, 3, axis=-1)
    means = ops.add(means, np.linspace(-SPREAD, SPREAD, components, dtype="float32"))
    return logits, means, ops.clip(log_widths + FIRST, NARROWEST, WIDEST)
