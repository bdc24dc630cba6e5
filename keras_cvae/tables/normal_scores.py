"""Normal scores: an increasing function that makes numbers of any distribution standard normal.

The function g is linear between knots, which are quantiles of the column: g(u_k) = s_k, where the
share of cells below u_k is the probability of N(0, 1) below s_k. A column that is skewed, bounded,
of several modes or mostly one value becomes normal, and the inverse of g gives samples its shape.
The density of u is that of its score times the slope: log p(u) = log p(g(u)) + log g'(u).

A value that repeats so often that several knots lie at it stands for all scores between them: each
of these scores becomes that value, which has the probability of the interval, not a density. Such
knots are moved slightly away from each other, so that the interval of a cell can be looked up.

Reference:
    [van der Waerden, 1952](https://doi.org/10.1016/S1385-7258(52)50063-5), for normal scores.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_cvae import portable
from keras_cvae.types import Tensor

SEGMENTS = 16  # inner segments; at either end one to the extreme cell, and one beyond
COUNT = SEGMENTS + 5
EVEN, FINEST = 8, 64  # even segments to start with; levels among which knots are chosen
FEWEST = 40  # number of cells below which g is the identity
LEAST = 1e-3  # least distance of knots, as a share of the mean distance
MOST = 100_000  # cells, at most, from which knots are learned
LEVELS = 2048  # quantiles that are compared to find repeated values
NOT_REPEATED = np.float32(1e30)
STRAIGHT = np.outer([1, 1, 1, 0, 0], np.linspace(-3, 3, COUNT))


class Scores(NamedTuple):
    """Scores of cells: tensors of shape `(batch, columns)`.

    Attributes:
        middle: The score; of a repeated value the middle of its interval.
        log_slope: Logarithm of the slope of g.
        low: Least score of the interval of a repeated value; of other cells the same as `high`.
        high: Greatest score of the interval.
    """

    middle: object
    log_slope: object
    low: object
    high: object


def learn(cells: np.ndarray) -> np.ndarray:
    """Learns the knots of a column.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(5, COUNT)`: scores; their cells; these cells moved to rise everywhere; and
        for each segment between two knots of the same value the least and greatest score of that
        value, else 0. With few cells, or all equal, scores are the cells themselves.
    """
    from scipy.stats import norm

    count = len(cells)
    if count < FEWEST or np.ptp(cells) == 0:
        return STRAIGHT
    reach, far = norm.isf([max(5, math.sqrt(count)) / count, 0.5 / count])
    fewer = 2 ** round(math.log2(math.sqrt(count) / 2))  # quantiles of few cells are inaccurate
    levels = np.linspace(-reach, reach, min(fewer, FINEST) + 1)
    quantiles = np.quantile(cells, norm.cdf(levels), method="hazen")
    kept = _near(levels, quantiles)
    places = np.linspace(0, len(kept) - 1, SEGMENTS + 1)  # where there are fewer, between them
    levels, quantiles = (np.interp(places, range(len(kept)), v[kept]) for v in (levels, quantiles))
    low, high = cells.min(), cells.max()
    beyond = (high - low) / (2 * far)
    scores = np.array([-far - 1, -far, *levels, far, far + 1])
    knots = np.array([low - beyond, low, *quantiles, high, high + beyond])
    rising = _rising(knots, np.ptp(quantiles) or high - low)
    return np.stack([scores, knots, rising, *_repeated(scores, knots)])


def repeated(cells: np.ndarray) -> np.ndarray:
    """Finds the quantiles of a column that are repeated values.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(LEVELS,)`: the quantile of each level, or `NOT_REPEATED` where this value
        occurs once.
    """
    values, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    if len(cells) < FEWEST or len(values) < 2:
        return np.full(LEVELS, NOT_REPEATED)
    of_rank = np.sort(inverse)
    ranks = ((np.arange(LEVELS) + 0.5) / LEVELS * len(cells)).astype(int)
    places = of_rank[ranks]
    return np.where(counts[places] > 1, values[places], NOT_REPEATED).astype("float32")


def _near(x, y) -> list[int]:
    """Chooses knots among points of a curve: even ones, then the farthest from the line so far."""
    kept = list(range(0, len(x), max(1, len(x) // EVEN)))
    while len(kept) < min(SEGMENTS + 1, len(x)):
        distance = np.abs(y - np.interp(x, x[kept], y[kept]))
        distance[kept] = -1.0
        kept = sorted([*kept, int(distance.argmax())])
    return kept


def _rising(knots, width):
    """Returns increasing knots: equal ones are moved apart to both sides."""
    resolution = 1e-6 * np.abs(knots[2:-2]).max()  # of float32
    least = max(LEAST * width / SEGMENTS, resolution) * np.arange(len(knots))
    from_below = np.maximum.accumulate(knots - least) + least
    from_above = np.minimum.accumulate((knots - least)[::-1])[::-1] + least
    return (from_below + from_above) / 2


def _repeated(scores, knots):
    """Returns the least and greatest score of each knot's value, 0 if the next knot differs."""
    same = [np.flatnonzero(knots == knot) for knot in knots]
    again = np.append(np.diff(knots) == 0, False)
    return [np.where(again, scores[[places[end] for places in same]], 0.0) for end in (0, -1)]


def score(cells, knots) -> Scores:
    """Returns the scores g(u) of cells u.

    Args:
        cells: Tensor of shape `(batch, columns)`.
        knots: Tensor of shape `(5, columns, COUNT)`.
    """
    scores, slope, at = _along(cells, knots[2], knots[0])
    low, high = (at(values[:, :-1]) for values in (knots[3], knots[4]))
    middle = ops.where(high > low, (low + high) / 2, scores)
    return Scores(middle, ops.log(slope), low, high)


def cell(scores, knots) -> Tensor:
    """Returns the cells of scores, by the inverse of g: tensors as for `score`."""
    return _along(scores, knots[0], knots[1])[0]


def cell_as_in_data(scores, knots, repeated) -> Tensor:
    """Returns cells as `cell` does, with repeated values at their rates in the data.

    Args:
        scores: Tensor of shape `(batch, columns)`.
        knots: Tensor of shape `(5, columns, COUNT)`.
        repeated: Tensor of shape `(LEVELS, columns)`, as the function `repeated` returns it for
            each column.
    """
    below = portable.normal_cdf(scores)
    level = ops.clip(ops.cast(below * LEVELS, "int32"), 0, LEVELS - 1)
    columns = scores.shape[1]
    index = level * columns + ops.arange(columns, dtype="int32")
    value = portable.entries(repeated, index)
    return ops.where(value < 0.5 * NOT_REPEATED, value, cell(scores, knots))


def _along(x, xs, ys):
    """Interpolates between knots (xs, ys) at x, and extrapolates beyond their ends.

    Returns:
        `(y, slope, at)`, the last a function that looks up a value per segment at the segments
        of x.
    """
    columns = x.shape[1]
    # Not by `sum`: OpenVINO adds a vector to a sum in the wrong order.
    is_above = ops.cast(x[:, :, None] >= xs[None, :, 1:-1], "float32")
    inside = ops.squeeze(ops.matmul(is_above, np.ones((COUNT - 2, 1), "float32")), -1)
    start = (COUNT - 1) * ops.arange(columns, dtype="int32")
    index = ops.cast(inside, "int32") + start

    def at(values):
        return portable.entries(values, index)

    slope = at((ys[:, 1:] - ys[:, :-1]) / (xs[:, 1:] - xs[:, :-1]))
    return at(ys[:, :-1]) + slope * (x - at(xs[:, :-1])), slope, at
