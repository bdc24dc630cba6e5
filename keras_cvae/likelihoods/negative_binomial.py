"""Counts that vary more than those of independent events."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.likelihoods.base import rows
from keras_cvae.likelihoods.counts import Counts, log_factorial, log_rising
from keras_cvae.types import Tensor

LIMIT = 10.0  # limit of log r; beyond it the distribution is nearly Poisson


@keras.saving.register_keras_serializable("keras_cvae")
class NegativeBinomial(Counts):
    r"""Independent counts of mean m and variance m + m^2 / r.

    log p(x | o, a) = sum [ log Gamma(x + r) / Gamma(r) - log x!
                            + x log(m / (r + m)) - r log(1 + m / r) ],    m = b exp(o), r = exp(a)

    It is a Poisson distribution whose mean has a gamma distribution of shape r and mean m; as r
    grows it becomes the Poisson distribution of mean m.

    The last axis of `parameters` contains o and a. The base b is 1, or the column's mean (see
    `Counts`); a is clipped to +-10.

    Reference:
        [Lopez et al., 2018](https://doi.org/10.1038/s41592-018-0229-2) (scVI).
    """

    def parameter_shape(self, x_shape) -> tuple[int, ...]:
        return (*x_shape, 2)

    def build(self, shape) -> None:
        super().build(shape[:-1])

    def log_prob(self, x, parameters) -> Tensor:
        log_mean, r = map(rows, self._split(parameters))
        return ops.sum(log_probability(rows(x), log_mean, r), axis=1)

    def mean(self, parameters) -> Tensor:
        return ops.exp(self._split(parameters)[0])

    def sample(self, parameters, seed=None) -> Tensor:
        log_mean, r = self._split(parameters)
        return sample_counts(log_mean, r, seed)

    def _split(self, parameters):
        """Returns the logarithm of the mean, and r, each of the shape of x."""
        parameters = ops.cast(parameters, "float32")
        return self.log_mean(parameters[..., 0]), shape_of(parameters[..., 1])


def shape_of(log_r) -> Tensor:
    """Returns r of the decoder's output a."""
    return ops.exp(ops.clip(log_r, -LIMIT, LIMIT))


def log_probability(x, log_mean, r) -> Tensor:
    """Returns the log-probability of each count, in nats; all tensors have one shape."""
    mean = ops.exp(log_mean)
    log_choices = log_rising(r, x) - log_factorial(x)
    return log_choices + x * (log_mean - ops.log(r + mean)) - r * ops.log1p(mean / r)


def sample_counts(log_mean, r, seed) -> Tensor:
    """Samples counts, of the shape of `r`."""
    gamma = keras.random.gamma(ops.shape(r), r, dtype="float32", seed=seed)
    return noise.poisson(ops.exp(log_mean) * gamma / r, seed)
