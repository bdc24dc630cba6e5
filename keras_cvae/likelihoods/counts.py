"""What likelihoods of counts share: how a decoder says their mean, and factorials."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from keras_cvae.data import arrays
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.types import Tensor

LIMIT = 15.0  # of the logarithm of a mean: exp(15) is 3.3 million
SHIFT = 8  # how far up Stirling's series is begun, whose first missing term is then 3e-10


class Counts(Likelihood):
    r"""A distribution of counts 0, 1, 2, ..., from the logarithm of their mean.

    The decoder's output o is in units of the data: an entry's mean is

    m = b exp(o),

    with b the mean of its column, so that o = 0 says that an entry is like the average of its
    column; of images b is the mean of the channel where counts are far from unit scale, else 1.
    Counts themselves are never rescaled, nor divided by 255; what is given to the encoder is
    standardised. Beyond
    o = 15 exp is continued by its tangent, so that a mean stays finite and o keeps its gradient.
    """

    support = (0.0, math.inf)
    standardizes = True

    def build(self, shape):
        self.log_base = self.add_weight(
            shape[-1:], initializer="zeros", trainable=False, dtype="float32", name="log_base"
        )
        self.built = True

    def standardize(self, location, scale) -> None:
        self.log_base.assign(np.log(np.where(location > 0, location, 1.0)))

    def check(self, x, name):
        return arrays.check_counts(x, name)

    def log_mean(self, outputs) -> Tensor:
        """Logarithm of the mean, of the shape of `outputs`, in float32."""
        base = ops.convert_to_tensor(self.log_base) if self.built else 0.0
        return continued(ops.cast(outputs, "float32")) + base


def continued(outputs) -> Tensor:
    """The logarithm of exp(o) where o is at most 15, of its tangent there beyond."""
    beyond = outputs > LIMIT
    inside = ops.where(beyond, LIMIT, outputs)
    return inside + ops.log1p(ops.where(beyond, outputs - LIMIT, 0.0))


def log_factorial(x) -> Tensor:
    """Logarithm of x!."""
    return log_rising(ops.ones_like(x), x)


def log_rising(start, steps) -> Tensor:
    r"""Logarithm of Gamma(start + steps) / Gamma(start), for numbers of any size.

    Of s = start + 8 and t = s + steps, by Stirling's series d(u) = 1/(12 u) - 1/(360 u^3) + ...,

    log Gamma(t) / Gamma(s) = steps log t + (s - 1/2) log(1 + steps / s) - steps + d(t) - d(s),

    which has no difference of large numbers where `start` is large, and the recurrence of Gamma
    leads down to `start`.

    Args:
        start: Tensor of positive numbers.
        steps: Tensor of numbers of at least 0, which broadcasts against it.
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
