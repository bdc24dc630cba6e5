"""Normal scores: numbers of any distribution carried to those of a standard normal, and back.

g is a rising line from knot to knot, learned from a column's quantiles: g(u_k) = s_k, where as many
cells lie below u_k as draws of N(0, 1) below s_k. So a column that is skewed, bounded, of several
modes or mostly one value is normal where it is modelled, and what is drawn is as the column was.
The density of u is that of its score times the slope: log p(u) = log p(g(u)) + log g'(u).

Where a value is repeated several knots lie at it. Drawing gives that very value; for the density
such knots are kept a little apart, so that it stays finite.

Reference:
    [van der Waerden, 1952](https://doi.org/10.1016/S1385-7258(52)50063-5), for normal scores.
"""

from __future__ import annotations

import math

import numpy as np
from keras import ops

SEGMENTS = 16  # of the line in the middle; beyond it one to the least cell, and one further on
COUNT = SEGMENTS + 5
EVEN, FINEST = 8, 64  # how many segments are even at first; among how many levels knots are chosen
FEWEST = 40  # cells, below which the line is straight
LEAST = 1e-3  # of the mean distance of knots: how near they may be
MOST = 100_000  # cells that are looked at
STRAIGHT = np.tile(np.linspace(-3, 3, COUNT), (3, 1))


def learn(cells: np.ndarray) -> np.ndarray:
    """Knots of a column.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(3, COUNT)`: scores; the cells that they stand for; and these again, apart.
        The line is straight, and changes nothing, where there are few cells or no two different.
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
    return np.stack([scores, knots, _apart(knots, np.ptp(quantiles) or high - low)])


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


def score(cells, knots):
    """Scores of cells, and the logarithm of the slope there.

    Args:
        cells: Tensor of shape `(batch, columns)`.
        knots: Tensor of shape `(3, columns, COUNT)`.

    Returns:
        `(scores, log_slopes)`, tensors of shape `(batch, columns)`.
    """
    found, slopes = _along(cells, knots[2], knots[0])
    return found, ops.log(slopes)


def cell(scores, knots):
    """Cells of scores, the inverse: tensors as for `score`."""
    return _along(scores, knots[0], knots[1])[0]


def _along(x, xs, ys):
    """A line through the knots (xs, ys) at x, and its slope; straight on beyond its ends."""
    columns = x.shape[1]
    inside = ops.sum(ops.cast(x[:, :, None] >= xs[None, :, 1:-1], "int32"), axis=2)
    index = inside + (COUNT - 1) * ops.arange(columns, dtype="int32")

    def at(values):
        return ops.take(ops.reshape(values, (-1,)), index)

    slope = at((ys[:, 1:] - ys[:, :-1]) / (xs[:, 1:] - xs[:, :-1]))
    return at(ys[:, :-1]) + slope * (x - at(xs[:, :-1])), slope
