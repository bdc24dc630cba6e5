"""8-bit pixels, grey or colour: a discretised mixture of logistics."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from keras_cvae import noise
from keras_cvae.checks import ArgumentError
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.types import Tensor

# Internally pixels are in [-1, 1], as in the paper: 256 levels, each a bin of half-width 1/255.
HALF_BIN = 1.0 / 255.0
LOG_SCALE_LIMIT = 7.0
# With outputs of 0 the components stand evenly on [-1, 1], so wide that no level is improbable.
INITIAL_LOG_SCALE = -1.0


@keras.saving.register_keras_serializable("keras_cvae")
class LogisticMixture(Likelihood):
    r"""Pixels k/255, k = 0..255, from a mixture of logistics that is integrated over each level.

    With pixels in [-1, 1], F the logistic function and h = 1/255,

    p(x) = sum_k w_k [ F((x + h - m_k) / s_k) - F((x - h - m_k) / s_k) ],

    where the bins of the lowest and the highest level reach to minus and plus infinity, so that
    the 256 probabilities sum to 1. A grey value between two levels has the mass of the bin around
    it.

    For colour images, x of shape `(height, width, channels)` with more than one channel, the
    channels of a pixel share its component, and the mean of channel j is shifted by the earlier
    observed channels: m_kj + sum_{i<j} tanh(c_kji) x_i. For every other shape each entry
    of x is a pixel of its own.

    The last axis of `parameters` is, for c channels, (c + 1)(c + 2) / 2 groups of `components`
    numbers: the logits of w; m (c groups); log s (c groups), clipped to +-7; the coefficients c
    (c (c - 1) / 2 groups, in the order 21, 31, 32, ...). m and log s are added to where the
    components start: spread evenly over the range, with log s = -1.

    Args:
        components: The number of logistics, at least 1.

    Raises:
        ValueError: If `components` is not a positive integer.

    Reference:
        [Salimans et al., 2017](https://arxiv.org/abs/1701.05517) (PixelCNN++).
    """

    support = (0.0, 1.0)
    levels = 256

    def __init__(self, components: int = 10, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(components, int) or isinstance(components, bool) or components < 1:
            raise ArgumentError("components", "must be a positive integer", f"{components!r}")
        self.components = components
        self._centres = np.linspace(-1.0, 1.0, 2 * components + 1, dtype="float32")[1::2]

    def parameter_shape(self, x_shape) -> tuple[int, ...]:
        colour = len(x_shape) == 3 and x_shape[-1] != 1
        *pixels, channels = x_shape if colour else (*x_shape, 1)
        return (*pixels, self.components * math.comb(channels + 2, 2))

    def log_prob(self, x, parameters) -> Tensor:
        logits, means, log_scales, coefficients = self._split(parameters)
        x = 2.0 * ops.reshape(ops.cast(x, "float32"), (-1, *means.shape[1:3], 1)) - 1.0
        observed = [x[:, :, j] for j in range(x.shape[2])]
        joint = logits
        for j, value in enumerate(observed):
            mean = means[:, :, j] + _shift(coefficients, observed[:j])
            joint = joint + _log_mass(value, mean, log_scales[:, :, j])
        log_probs = ops.logsumexp(joint, axis=-1) - ops.logsumexp(logits, axis=-1)
        return ops.sum(log_probs, axis=1)

    def mean(self, parameters) -> Tensor:
        """Returns the mean of x; values of a component are clipped to [0, 1].

        Colour means are those of each component with the expected earlier channels in the place
        of observed ones. It differs from the mean over levels by less than half a level where no
        channel is shifted.
        """
        logits, means, log_scales, coefficients = self._split(parameters)
        expected = []
        for j in range(means.shape[2]):
            mean = means[:, :, j] + _shift(coefficients, expected)
            expected.append(_censored_mean(mean, log_scales[:, :, j]))
        weights = ops.expand_dims(ops.softmax(logits), 2)
        mean = ops.sum(weights * ops.stack(expected, axis=2), axis=-1)
        return self._pixels(ops.clip(0.5 * mean + 0.5, 0.0, 1.0), parameters)

    def sample(self, parameters, seed=None) -> Tensor:
        logits, means, log_scales, coefficients = self._split(parameters)
        channels = means.shape[2]
        shape = (*ops.shape(logits)[:2], self.components + channels)
        # One call for all, because an integer seed would generate the same numbers again.
        uniform = noise.uniform(shape, seed, minval=1e-7)
        gumbel = -ops.log(-ops.log(uniform[:, :, : self.components]))
        component = ops.one_hot(ops.argmax(logits + gumbel, axis=-1), self.components)
        component = ops.expand_dims(component, 2)
        means, log_scales, coefficients = (
            ops.sum(component * each, axis=-1, keepdims=True) if each is not None else None
            for each in (means, log_scales, coefficients)
        )
        uniform = ops.expand_dims(uniform[:, :, self.components :], -1)
        logistic = ops.exp(log_scales) * (ops.log(uniform) - ops.log1p(-uniform))
        samples = []
        for j in range(channels):
            value = means[:, :, j] + _shift(coefficients, samples) + logistic[:, :, j]
            level = ops.round(127.5 * (ops.clip(value, -1.0, 1.0) + 1.0))
            samples.append(level / 127.5 - 1.0)
        levels = ops.round(127.5 * (ops.stack(samples, axis=2) + 1.0))
        return self._pixels(levels / 255.0, parameters)

    def get_config(self) -> dict:
        return {**super().get_config(), "components": self.components}

    def _channels(self, parameters):
        """Returns the number c of channels: the last axis is `components` (c + 1)(c + 2) / 2."""
        size = parameters.shape[-1]
        channels = math.isqrt(2 * size // self.components) - 1
        if channels < 1 or size != self.components * math.comb(channels + 2, 2):
            raise ArgumentError(
                "parameters",
                f"must have a last axis of {3 * self.components} (pixels of one "
                f"channel) or {10 * self.components} (RGB) for {self.components} components",
                f"shape {tuple(parameters.shape)}",
            )
        return channels

    def _split(self, parameters):
        """Logits `(batch, pixels, k)`; means, log-scales, coefficients `(batch, pixels, ., k)`."""
        channels = self._channels(parameters)
        pixels = math.prod(parameters.shape[1:-1])
        shape = (-1, pixels, math.comb(channels + 2, 2), self.components)
        groups = ops.reshape(ops.cast(parameters, "float32"), shape)
        means = ops.add(groups[:, :, 1 : channels + 1], self._centres)
        log_scales = groups[:, :, channels + 1 : 2 * channels + 1] + INITIAL_LOG_SCALE
        log_scales = ops.clip(log_scales, -LOG_SCALE_LIMIT, LOG_SCALE_LIMIT)
        coefficients = ops.tanh(groups[:, :, 2 * channels + 1 :]) if channels > 1 else None
        return groups[:, :, 0], means, log_scales, coefficients

    def _pixels(self, values, parameters):
        """Reshapes values of shape `(batch, pixels, channels, ...)` to the shape of x."""
        channels = self._channels(parameters)
        axis = (channels,) if channels > 1 else ()
        return ops.reshape(values, (-1, *parameters.shape[1:-1], *axis))


def _shift(coefficients, earlier):
    """Returns the sum of coefficient times value over the earlier channels; 0 for the first."""
    start = math.comb(len(earlier), 2)
    terms = (coefficients[:, :, start + i] * value for i, value in enumerate(earlier))
    return sum(terms, 0.0)


def _log_mass(x, mean, log_scale):
    r"""Returns the log of the logistic's mass in the bin around x, or at the ends in the tail.

    With b = (x + h - m) / s and a = (x - h - m) / s,

    F(b) - F(a) = F(b) (1 - F(a)) (1 - exp(a - b)),

    whose logarithm is a sum of terms that are each finite and precise; at the ends of the range
    F(b) or 1 - F(a) is what remains.
    """
    inverse_scale = ops.exp(-log_scale)
    centred = x - mean
    log_below = -ops.softplus(-(centred + HALF_BIN) * inverse_scale)
    log_above = -ops.softplus((centred - HALF_BIN) * inverse_scale)
    log_overlap = ops.log(-ops.expm1(-2.0 * HALF_BIN * inverse_scale))
    low, high = x < HALF_BIN - 1.0, x > 1.0 - HALF_BIN
    return ops.where(
        low, log_below, ops.where(high, log_above, log_below + log_above + log_overlap)
    )


def _censored_mean(mean, log_scale):
    r"""Returns the mean of a logistic whose values are clipped to [-1, 1].

    It is 1 - int_{-1}^{1} F((t - m) / s) dt, an odd function of m. For m >= 0, c = min(m, 1), this
    equals c + s log(1 + F(-|1 - m| / s) (exp(-2 c / s) - 1)), which keeps its precision when s is
    large: the logarithm is then about -c / s.
    """
    scale = ops.exp(log_scale)
    magnitude = ops.abs(mean)
    inside = ops.minimum(magnitude, 1.0)
    beyond = ops.sigmoid(-ops.abs(1.0 - magnitude) / scale) * ops.expm1(-2.0 * inside / scale)
    return ops.sign(mean) * (inside + scale * ops.log1p(beyond))
