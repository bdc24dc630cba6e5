"""The base of likelihoods of counts: their mean, and logarithms of factorials."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from keras_cvae.data import arrays
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.types import Tensor

LIMIT = 15.0  # logarithm of a mean above which it grows linearly: exp(15) is 3.3 million
SHIFT = 8  # start of Stirling's series, whose first omitted term is then 3e-10


class Counts(Likelihood):
    r"""A distribution of counts 0, 1, 2, ..., from the logarithm of their mean.

    For the decoder's output o an entry has the mean

    m = b exp(o),

    where b is the mean of its column, so that o = 0 is the average of the column; for images it is
    the mean of the channel if counts are far from unit scale, otherwise 1. Counts are never
    rescaled, nor divided by 255; only the encoder's input is standardised. Above o = 15, exp is
    replaced by its tangent, so that the mean stays finite and o has a gradient.
    """

    support = (0.0, math.inf)
    standardizes = True

    def build(self, shape) -> None:
        self.log_base = self.add_weight(
            shape[-1:], initializer="zeros", trainable=False, dtype="float32", name="log_base"
        )
        self.built = True

    def standardize(self, location, scale) -> None:
        self.log_base.assign(np.log(np.where(location > 0, location, 1.0)))

    def check(self, x, name) -> np.ndarray:
        return arrays.check_counts(x, name)

    def log_mean(self, outputs) -> Tensor:
        """Returns the logarithm of the mean, of the shape of `outputs`, in float32."""
        base = ops.convert_to_tensor(self.log_base) if self.built else 0.0
        return limit_growth(ops.cast(outputs, "float32")) + base


def limit_growth(outputs) -> Tensor:
    """Returns o, or above 15 the logarithm of the tangent of exp at 15."""
    beyond = outputs > LIMIT
    inside = ops.where(beyond, LIMIT, outputs)
    return inside + ops.log1p(ops.where(beyond, outputs - LIMIT, 0.0))


def log_factorial(x) -> Tensor:
    """Returns the logarithm of x!."""
    return log_rising(ops.ones_like(x), x)


def log_rising(start, steps) -> Tensor:
    r"""Returns the logarithm of Gamma(start + steps) / Gamma(start), for numbers of any size.

    For s = start + 8 and t = s + steps, by Stirling's series d(u) = 1/(12 u) - 1/(360 u^3) + ...,

    log Gamma(t) / Gamma(s) = steps log t + (s - 1/2) log(1 + steps / s) - steps + d(t) - d(s),

    which has no difference of large numbers if `start` is large; the recurrence of Gamma leads from
    s down to `start`.

    Args:
        start: Tensor of positive numbers.
        steps: Tensor of numbers of at least 0, which broadcasts against `start`.
    """
    s = start + float(SHIFT)
    t = s + steps
    shifted = steps * ops.log(t) + (s - 0.5) * ops.log1p(steps / s) - steps
    down = sum(ops.log1p(steps / (start + float(j))) for j in range(SHIFT))
    return shifted + _remainder(t) - _remainder(s) - down


def _remainder(u):
    inverse = 1.0 / u
    square = inverse * inverse
    return inverse * (1 / 12 + square * (-1 / 360 + square / 1260))
