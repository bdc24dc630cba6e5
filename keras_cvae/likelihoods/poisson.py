"""Counts of independent events."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.likelihoods.base import rows
from keras_cvae.likelihoods.counts import Counts, log_factorial
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Poisson(Counts):
    r"""Independent counts of mean and variance m.

    log p(x | o) = sum [ x log m - m - log x! ],    m = b exp(o)

    The decoder returns o, of the shape of x; the base b is 1, or the column's mean (see `Counts`).
    In float32 the log-probability of a count n has an error of about n 10^-6.

    Reference:
        [Zhou et al., 2012](https://arxiv.org/abs/1112.3605), for counts from latent factors.
    """

    def log_prob(self, x, parameters) -> Tensor:
        log_mean = rows(self.log_mean(parameters))
        x = rows(x)
        return ops.sum(x * log_mean - ops.exp(log_mean) - log_factorial(x), axis=1)

    def mean(self, parameters) -> Tensor:
        return ops.exp(self.log_mean(parameters))

    def sample(self, parameters, seed=None) -> Tensor:
        return noise.poisson(self.mean(parameters), seed)
