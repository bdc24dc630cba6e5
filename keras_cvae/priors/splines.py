"""Increasing splines of rational quadratics, and their inverses.

Reference:
    [Gregory and Delbourgo, 1982](https://doi.org/10.1093/imanum/2.2.123).
"""

from __future__ import annotations

import math

from keras import ops

from keras_cvae.types import Tensor

BOUND = 4.0  # splines are the identity outside of [-BOUND, BOUND], in standard deviations
LEAST = 1e-3  # least width and height of a bin, as a share of the interval, and slope of a knot
SLOPE_OF_ONE = math.log(math.expm1(1.0 - LEAST))  # for this, LEAST + softplus is 1


def bend(x, widths, heights, slopes) -> tuple[Tensor, Tensor]:
    r"""Applies an increasing spline of rational quadratics.

    In a bin from (x_k, y_k) to (x_{k+1}, y_{k+1}), of slope s = h / w, with t = (x - x_k) / w:

    f(x) = y_k + h (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2 s) t (1 - t))

    Args:
        x: Tensor of shape `(...)`.
        widths: Widths of the bins, of shape `(..., bins)`; their sum is 2 `BOUND`.
        heights: Heights of the bins, of the same shape and with the same sum.
        slopes: d_k at the knots between the bins, of shape `(..., bins - 1)`; 1 at the ends.

    Returns:
        `(f(x), log f'(x))`, tensors of the shape of `x`: x and 0 outside of [-BOUND, BOUND].
    """
    within = ops.clip(x, -BOUND, BOUND)
    start, low, w, h, d, d_next = _bin(within, widths, heights, slopes, by=widths)
    s, t = h / w, ops.clip((within - start) / w, 0.0, 1.0)
    both = t * (1.0 - t)
    denominator = s + (d_next + d - 2.0 * s) * both
    value = low + h * (s * t * t + d * both) / denominator
    slope = d_next * t * t + 2.0 * s * both + d * ops.square(1.0 - t)
    log_slope = 2.0 * ops.log(s) + ops.log(slope) - 2.0 * ops.log(denominator)
    is_inside = ops.abs(x) < BOUND
    return ops.where(is_inside, value, x), ops.where(is_inside, log_slope, 0.0)


def unbend(y, widths, heights, slopes) -> Tensor:
    """Applies the inverse of `bend`: a root of a quadratic in each bin.

    Args:
        y: Tensor of shape `(...)`.
        widths: As for `bend`.
        heights: As for `bend`.
        slopes: As for `bend`.

    Returns:
        Tensor of the shape of `y`.
    """
    within = ops.clip(y, -BOUND, BOUND)
    start, low, w, h, d, d_next = _bin(within, widths, heights, slopes, by=heights)
    s, above = h / w, within - low
    curve = above * (d_next + d - 2.0 * s)
    a, b, c = h * (s - d) + curve, h * d - curve, -s * above
    root = ops.sqrt(ops.maximum(b * b - 4.0 * a * c, 0.0))
    t = ops.clip(-2.0 * c / ops.maximum(b + root, 1e-12), 0.0, 1.0)
    return ops.where(ops.abs(y) < BOUND, start + t * w, y)


def _bin(value, widths, heights, slopes, by):
    """Returns x_k, y_k, w, h, d_k and d_{k+1} of the bin that contains a value."""
    ends = ops.cumsum(by, axis=-1) - BOUND
    is_above = ops.cast(ops.expand_dims(value, -1) >= ends[..., :-1], "float32")
    ones = ops.ones_like(is_above[..., :1])
    # One-hot: the bins that begin below the value, without those that end below it.
    chosen = ops.concatenate([ones, is_above], -1) - ops.concatenate([is_above, 0.0 * ones], -1)
    slopes = ops.concatenate([ones, slopes, ones], axis=-1)
    of_bins = [
        ops.cumsum(widths, axis=-1) - widths - BOUND,
        ops.cumsum(heights, axis=-1) - heights - BOUND,
        widths,
        heights,
        slopes[..., :-1],
        slopes[..., 1:],
    ]
    return [ops.sum(chosen * values, axis=-1) for values in of_bins]


def knots(parameters, bins: int) -> tuple[Tensor, Tensor, Tensor]:
    """Converts outputs of a network to widths, heights and slopes of splines.

    Zeros give the identity.

    Args:
        parameters: Tensor of shape `(..., 3 * bins - 1)`, any numbers.
        bins: The number of bins of a spline.

    Returns:
        `(widths, heights, slopes)`, as for `bend`.
    """
    widths, heights, slopes = ops.split(parameters, [bins, 2 * bins], axis=-1)
    return _shares(widths), _shares(heights), LEAST + ops.softplus(slopes + SLOPE_OF_ONE)


def _shares(logits):
    """Returns sizes of bins, of shape `(..., bins)`, each at least `LEAST` of the interval."""
    bins = logits.shape[-1]
    return 2.0 * BOUND * (LEAST + (1.0 - LEAST * bins) * ops.softmax(logits))
