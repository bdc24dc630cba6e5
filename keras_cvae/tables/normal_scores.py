"""Normal scores: numbers of any distribution carried to those of a standard normal, and back.

g is a rising line from knot to knot, learned from a column's quantiles: g(u_k) = s_k, where as many
cells lie below u_k as draws of N(0, 1) below s_k. So a column that is skewed, bounded, of several
modes or mostly one value is normal where it is modelled, and what is drawn is as the column was.
The density of u is that of its score times the slope: log p(u) = log p(g(u)) + log g'(u).

Where a value is repeated, so often that several knots lie at it, it stands for all scores between
them: drawing any of these gives that very value, which has the probability of the interval and not
a density. So that a cell is found to be at such knots, they are kept a little apart.

Reference:
    [van der Waerden, 1952](https://doi.org/10.1016/S1385-7258(52)50063-5), for normal scores.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_cvae.types import Tensor

SEGMENTS = 16  # of the line in the middle; beyond it one to the least cell, and one further on
COUNT = SEGMENTS + 5
EVEN, FINEST = 8, 64  # how many segments are even at first; among how many levels knots are chosen
FEWEST = 40  # cells, below which the line is straight
LEAST = 1e-3  # of the mean distance of knots: how near they may be
MOST = 100_000  # cells that are looked at
LEVELS = 2048  # of the quantiles that repeated values have
NOT_REPEATED = np.float32(1e30)
STRAIGHT = np.outer([1, 1, 1, 0, 0], np.linspace(-3, 3, COUNT))


class Scores(NamedTuple):
    """Scores of cells: tensors of shape `(batch, columns)`.

    Attributes:
        middle: The score; of a repeated value the middle of those that it stands for.
        log_slope: Logarithm of the slope of g.
        low: Least of the scores that a repeated value stands for; of others the same as `high`.
        high: Greatest of these.
    """

    middle: object
    log_slope: object
    low: object
    high: object


def learn(cells: np.ndarray) -> np.ndarray:
    """Knots of a column.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(5, COUNT)`: scores; the cells that they stand for; these again, apart; and
        of each segment from a knot to the next the least and greatest score of its value, where
        that is one, else 0. The line is straight, and changes nothing, where there are few cells
        or no two different.
    """
    from scipy.stats import norm

    count = len(cells)
    if count < FEWEST or np.ptp(cells) == 0:
        return STRAIGHT
    reach, far = norm.isf([max(5, math.sqrt(count)) / count, 0.5 / count])
    fewer = 2 ** round(math.log2(math.sqrt(count) / 2))  # a quantile of few cells says little
    levels = np.linspace(-reach, reach, min(fewer, FINEST) + 1)
    quantiles = np.quantile(cells, norm.cdf(levels), method="hazen")
    kept = _near(levels, quantiles)
    places = np.linspace(0, len(kept) - 1, SEGMENTS + 1)  # where there are fewer, between them
    levels, quantiles = (np.interp(places, range(len(kept)), v[kept]) for v in (levels, quantiles))
    low, high = cells.min(), cells.max()
    beyond = (high - low) / (2 * far)
    scores = np.array([-far - 1, -far, *levels, far, far + 1])
    knots = np.array([low - beyond, low, *quantiles, high, high + beyond])
    apart = _apart(knots, np.ptp(quantiles) or high - low)
    return np.stack([scores, knots, apart, *_repeated(scores, knots)])


def repeated(cells: np.ndarray) -> np.ndarray:
    """The quantiles of a column where they are values that it repeats.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(LEVELS,)`: at each level the value that lies there, or `NOT_REPEATED` where
        it occurs once.
    """
    values, inverse, counts = np.unique(cells, return_inverse=True, return_counts=True)
    if len(cells) < FEWEST or len(values) < 2:
        return np.full(LEVELS, NOT_REPEATED)
    of_rank = np.sort(inverse)
    ranks = ((np.arange(LEVELS) + 0.5) / LEVELS * len(cells)).astype(int)
    found = of_rank[ranks]
    return np.where(counts[found] > 1, values[found], NOT_REPEATED).astype("float32")


def _near(x, y) -> list[int]:
    """Which points of a curve are knots: even ones, then each time that farthest from the line."""
    kept = list(range(0, len(x), max(1, len(x) // EVEN)))
    while len(kept) < min(SEGMENTS + 1, len(x)):
        distance = np.abs(y - np.interp(x, x[kept], y[kept]))
        distance[kept] = -1.0
        kept = sorted([*kept, int(distance.argmax())])
    return kept


def _apart(knots, width):
    """Knots that rise everywhere: equal ones are moved to both sides of where they are."""
    resolution = 1e-6 * np.abs(knots[2:-2]).max()  # of float32
    least = max(LEAST * width / SEGMENTS, resolution) * np.arange(len(knots))
    from_below = np.maximum.accumulate(knots - least) + least
    from_above = np.minimum.accumulate((knots - least)[::-1])[::-1] + least
    return (from_below + from_above) / 2


def _repeated(scores, knots):
    """Of each knot the least and the greatest score of its value, if the next knot has it too."""
    same = [np.flatnonzero(knots == knot) for knot in knots]
    again = np.append(np.diff(knots) == 0, False)
    return [np.where(again, scores[[places[end] for places in same]], 0.0) for end in (0, -1)]


def score(cells, knots) -> Scores:
    """Scores of cells, g of them.

    Args:
        cells: Tensor of shape `(batch, columns)`.
        knots: Tensor of shape `(5, columns, COUNT)`.
    """
    scores, slope, at = _along(cells, knots[2], knots[0])
    low, high = (at(values[:, :-1]) for values in (knots[3], knots[4]))
    middle = ops.where(high > low, (low + high) / 2, scores)
    return Scores(middle, ops.log(slope), low, high)


def cell(scores, knots) -> Tensor:
    """Cells of scores, the inverse: tensors as for `score`."""
    return _along(scores, knots[0], knots[1])[0]


def cell_as_in_data(scores, knots, repeated):
    """As `cell`, but the very value where the data repeat it: tensors as for `score`.

    Args:
        scores: Tensor of shape `(batch, columns)`.
        knots: Tensor of shape `(5, columns, COUNT)`.
        repeated: Tensor of shape `(LEVELS, columns)`, of each column as `repeated` returns it.
    """
    below = 0.5 * (1.0 + ops.erf(scores / math.sqrt(2.0)))
    level = ops.clip(ops.cast(below * LEVELS, "int32"), 0, LEVELS - 1)
    columns = scores.shape[1]
    index = level * columns + ops.arange(columns, dtype="int32")
    value = ops.take(ops.reshape(repeated, (-1,)), index)
    return ops.where(value < 0.5 * NOT_REPEATED, value, cell(scores, knots))


def _along(x, xs, ys):
    """A line through the knots (xs, ys) at x; straight on beyond its ends.

    Returns:
        `(y, slope, at)`, the last a function of a value for each segment to those of the segments
        of x.
    """
    columns = x.shape[1]
    inside = ops.sum(ops.cast(x[:, :, None] >= xs[None, :, 1:-1], "int32"), axis=2)
    index = inside + (COUNT - 1) * ops.arange(columns, dtype="int32")

    def at(values):
        return ops.take(ops.reshape(values, (-1,)), index)

    slope = at((ys[:, 1:] - ys[:, :-1]) / (xs[:, 1:] - xs[:, :-1]))
    return at(ys[:, :-1]) + slope * (x - at(xs[:, :-1])), slope, at
