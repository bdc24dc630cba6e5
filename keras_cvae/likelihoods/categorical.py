"""Unordered levels: a softmax for each entry."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from keras_cvae import noise
from keras_cvae.checks import ArgumentError
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Categorical(Likelihood):
    r"""Each entry of x is one of `levels` values k / (levels - 1), from logits of their own.

    log p(x | l) = sum [ l_k - log sum_j exp(l_j) ], k the level nearest to x.

    The last axis of `parameters` contains the logits of the levels.

    Args:
        levels: The number of values of an entry, at least 2.

    Raises:
        ValueError: If `levels` is not an integer of at least 2.

    Reference:
        [van den Oord et al., 2016](https://arxiv.org/abs/1601.06759), for 256-way pixels.
    """

    support = (0.0, 1.0)

    def __init__(self, levels: int = 256, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(levels, int) or isinstance(levels, bool) or levels < 2:
            raise ArgumentError("levels", "must be an integer of at least 2", f"{levels!r}")
        self.levels = levels

    def parameter_shape(self, x_shape) -> tuple[int, ...]:
        return (*x_shape, self.levels)

    def log_prob(self, x, parameters) -> Tensor:
        logits = self._logits(parameters)
        x = ops.reshape(ops.cast(x, "float32"), (-1, logits.shape[1]))
        level = ops.cast(ops.round(x * (self.levels - 1)), "int32")
        return ops.sum(log_probability(level, logits), axis=1)

    def mean(self, parameters) -> Tensor:
        probabilities = ops.softmax(ops.cast(parameters, "float32"))
        values = np.linspace(0.0, 1.0, self.levels, dtype="float32")
        return ops.clip(ops.sum(ops.multiply(probabilities, values), axis=-1), 0.0, 1.0)

    def sample(self, parameters, seed=None) -> Tensor:
        level = sample_category(self._logits(parameters), seed)
        return ops.reshape(level / (self.levels - 1), (-1, *parameters.shape[1:-1]))

    def get_config(self) -> dict:
        return {**super().get_config(), "levels": self.levels}

    def _logits(self, parameters):
        shape = (-1, math.prod(parameters.shape[1:-1]), self.levels)
        return ops.reshape(ops.cast(parameters, "float32"), shape)


def log_probability(level, logits) -> Tensor:
    """Returns the log-probability of each entry.

    Args:
        level: Tensor of integers, of shape `(batch, entries)`.
        logits: Tensor of shape `(batch, entries, levels)`.

    Returns:
        Tensor of shape `(batch, entries)`, in nats.
    """
    return -ops.sparse_categorical_crossentropy(level, logits, from_logits=True)


def sample_category(logits, seed) -> Tensor:
    """Samples the level of each entry, a whole number in float32, of shape `(batch, entries)`."""
    # The level is the number of cumulative probabilities that are at most a uniform number.
    cumulative = ops.cumsum(ops.softmax(logits), axis=-1)
    uniform = ops.expand_dims(noise.uniform(ops.shape(logits)[:2], seed), -1)
    reached = cumulative[:, :, :-1] <= uniform * cumulative[:, :, -1:]
    return ops.sum(ops.cast(reached, "float32"), axis=-1)
