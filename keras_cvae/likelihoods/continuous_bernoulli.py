"""A density of grey pixels, numbers in [0, 1]."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.likelihoods.base import Likelihood, rows
from keras_cvae.types import Tensor

SMALL = 1.0  # below it, logits use series, whose first omitted term is less than 1e-7


@keras.saving.register_keras_serializable("keras_cvae")
class ContinuousBernoulli(Likelihood):
    r"""Independent entries in [0, 1] of the density proportional to p^x (1 - p)^(1 - x).

    With the logit l = log p / (1 - p), the decoder's output,

    log p(x | l) = sum [ x l - A(l) ],    A(l) = log \int_0^1 exp(x l) dx = log (exp(l) - 1) / l

    (`Bernoulli` leaves out log C(l), C(l) = l / tanh(l / 2), and is not a density of grey pixels).
    The mean is A'(l) = 1 / (1 - exp(-l)) - 1 / l, not p. Near l = 0, where p = 1/2 and the formulas
    are 0 / 0, A and the mean are their Taylor series.

    Reference:
        [Loaiza-Ganem and Cunningham, 2019](https://arxiv.org/abs/1907.06845).
    """

    support = (0.0, 1.0)

    def log_prob(self, x, parameters) -> Tensor:
        x, logits = rows(x), rows(parameters)
        return ops.sum(x * logits - _log_normalizer(logits), axis=1)

    def mean(self, parameters) -> Tensor:
        logits = ops.cast(parameters, "float32")
        magnitude = ops.abs(logits)
        large = ops.where(magnitude < SMALL, SMALL, magnitude)
        beyond = 1.0 / (1.0 - ops.exp(-large)) - 1.0 / large  # of |l|; of -l it is 1 - that
        square = ops.square(ops.clip(logits, -SMALL, SMALL))
        series = 1 / 12 + square * (-1 / 720 + square * (1 / 30240 - square / 1209600))
        around = 0.5 + logits * series
        beyond = 0.5 + ops.sign(logits) * (beyond - 0.5)
        return ops.clip(ops.where(magnitude < SMALL, around, beyond), 0.0, 1.0)

    def sample(self, parameters, seed=None) -> Tensor:
        """Samples x by the inverse of the distribution function, log(1 + u (exp(l) - 1)) / l."""
        logits = ops.cast(parameters, "float32")
        magnitude = ops.maximum(ops.abs(logits), 1e-6)
        uniform = noise.uniform(ops.shape(logits), seed)
        towards_0 = -ops.log1p(uniform * ops.expm1(-magnitude)) / magnitude
        return ops.clip(ops.where(logits > 0, 1.0 - towards_0, towards_0), 0.0, 1.0)


def _log_normalizer(logits):
    """Returns A(l) = max(l, 0) + log((1 - exp(-|l|)) / |l|)."""
    magnitude = ops.abs(logits)
    large = ops.where(magnitude < SMALL, SMALL, magnitude)
    beyond = ops.relu(logits) + ops.log((1.0 - ops.exp(-large)) / large)
    square = ops.square(ops.clip(logits, -SMALL, SMALL))
    series = 1 / 24 + square * (-1 / 2880 + square * (1 / 181440 - square / 9676800))
    return ops.where(magnitude < SMALL, 0.5 * logits + square * series, beyond)
