"""Black and white pixels."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.likelihoods.base import Likelihood, rows


@keras.saving.register_keras_serializable("keras_cvae")
class Bernoulli(Likelihood):
    r"""Independent Bernoulli pixels, from logits.

    log p(x | l) = sum [ x l - log(1 + exp(l)) ], finite for every finite logit l. Grey pixels in
    [0, 1] are taken as they are: the result is then the expectation over pixels drawn with these
    probabilities, which is minus the binary cross-entropy.

    Example:
    >>> keras_cvae.likelihoods.Bernoulli().log_prob(x, logits)   # shape (batch,)
    """

    support = (0.0, 1.0)
    levels = 2

    def log_prob(self, x, parameters):
        x, logits = rows(x), rows(parameters)
        return ops.sum(x * logits - _softplus(logits), axis=1)

    def mean(self, parameters):
        return ops.sigmoid(ops.cast(parameters, "float32"))

    def sample(self, parameters, seed=None):
        uniform = noise.uniform(ops.shape(parameters), seed)
        return ops.cast(uniform < self.mean(parameters), "float32")


def _softplus(logits):
    """log(1 + exp(l)) in one pass, with exact gradients."""
    if keras.backend.backend() == "torch":  # its own, each way, is one operation
        return ops.softplus(logits)
    r = ops.relu(logits)
    return r + ops.log1p(ops.exp(logits - 2.0 * r))
