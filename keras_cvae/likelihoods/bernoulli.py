"""Black and white pixels."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.likelihoods.base import Likelihood, rows
from keras_cvae.types import Tensor

MOST_FACTORS = 64  # their product, at most 2^64, is within the range of float32


@keras.saving.register_keras_serializable("keras_cvae")
class Bernoulli(Likelihood):
    r"""Independent Bernoulli pixels, from logits.

    log p(x | l) = sum [ x l - log(1 + exp(l)) ], finite for every finite logit l. For grey
    pixels in [0, 1] it is the expectation over binary pixels with these probabilities, which is
    minus the binary cross-entropy.

    Example:
    >>> keras_cvae.likelihoods.Bernoulli().log_prob(x, logits)   # shape (batch,)
    """

    support = (0.0, 1.0)
    levels = 2
    mean_activation = "sigmoid"

    def log_prob(self, x, parameters) -> Tensor:
        x, logits = rows(x), rows(parameters)
        if keras.backend.backend() == "tensorflow":  # whose XLA is slow at logarithms
            return ops.sum(x * logits - ops.relu(logits), axis=1) - _log_factors(logits)
        return ops.sum(x * logits - _softplus(logits), axis=1)

    def mean(self, parameters) -> Tensor:
        return ops.sigmoid(ops.cast(parameters, "float32"))

    def sample(self, parameters, seed=None) -> Tensor:
        uniform = noise.uniform(ops.shape(parameters), seed)
        return ops.cast(uniform < self.mean(parameters), "float32")


def _softplus(logits):
    """Returns log(1 + exp(l)) in one pass, with exact gradients."""
    if keras.backend.backend() == "torch":  # its own, each way, is one operation
        return ops.softplus(logits)
    r = ops.relu(logits)
    return r + ops.log1p(ops.exp(logits - 2.0 * r))


@ops.custom_gradient
def _log_factors(logits):
    r"""Returns \sum log(1 + exp(-|l|)) of each row, the difference of softplus and max(l, 0).

    Each factor is in [1, 2], so that one logarithm of the product of many suffices; rounding
    changes each term by less than 1e-7 nats.
    """

    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        of_maximum = ops.cast(logits > 0.0, "float32")  # 0 at 0, as relu has it
        return ops.expand_dims(upstream, 1) * (ops.sigmoid(logits) - of_maximum)

    pixels = logits.shape[1]
    count = math.gcd(pixels, MOST_FACTORS)
    factors = 1.0 + ops.exp(-ops.abs(logits))
    products = ops.prod(ops.reshape(factors, (-1, count, pixels // count)), axis=1)
    return ops.sum(ops.log(products), axis=1), gradient
