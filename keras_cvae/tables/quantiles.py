r"""Normal scores of numbers by their whole empirical distribution: a value that repeats is a step.

Up to 1,024 points (x_t, [a_t, b_t]) of a column say which scores of N(0, 1) become which number. A
value that repeats stands for an interval of scores, of the probability that the value has among the
data. One that does not stands for a single score, a_t = b_t; scores between the points are numbers
in between, along a line. Where both neighbours repeat, what little lies between them (a thousandth
of a column in all, so that numbers that the data do not have are possible) becomes the nearer one.

Beside `normal_scores`, whose knots are 21, every value that repeats often has its own probability,
and what is sampled and what is learned are the same function.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from keras import ops

from keras_cvae import portable
from keras_cvae.types import Tensor

DEPTH = 10  # steps of the binary search
POINTS = 2**DEPTH
BETWEEN = 1e-3  # probability of all numbers between values that repeat
HATS = 16  # hat functions of `features`
FARTHEST = 1e4  # a score beyond that of any number
NEAR = 5.0  # finite end of the first and last step, for their middle
START = np.stack([np.arange(POINTS) - POINTS / 2] * 3).astype("float32")  # a score is its number


class Scores(NamedTuple):
    """Scores of cells: tensors of shape `(batch, columns)`.

    Attributes:
        middle: The score; of a value that repeats the middle of its interval.
        low: Least score of the interval of a value that repeats; else the score.
        high: Greatest score of the interval.
        log_slope: Logarithm of the slope of the scores, where a value does not repeat.
    """

    middle: object
    low: object
    high: object
    log_slope: object


def learn(cells: np.ndarray) -> np.ndarray:
    """Learns the points of a column.

    Args:
        cells: Its known cells, of shape `(count,)`.

    Returns:
        Array of shape `(3, POINTS)`: numbers, and the least and greatest score of each, in rising
        order. Where there are fewer than two different cells, a number is its own score.
    """
    from scipy.stats import norm

    values, counts = np.unique(np.float32(cells), return_counts=True)
    count, most = len(cells), POINTS - 2
    if len(values) < 2:
        return START
    ends = np.cumsum(counts) / count
    low, high = ends - counts / count, ends
    is_step = (counts > 1) & (counts * most >= (2 * count if len(values) > most else 0))
    middle = (low + high) / 2
    low, high = np.where(is_step, low, middle), np.where(is_step, high, middle)
    if len(values) > most:
        is_kept = is_step.copy()
        places = np.searchsorted(middle, np.linspace(0, 1, most - is_step.sum()))
        is_kept[np.minimum(places, len(values) - 1)] = True
        is_kept[[0, -1]] = True
        values, low, high, is_step = (part[is_kept] for part in (values, low, high, is_step))
    outside = 0.5 / count
    # The probabilities of numbers below the first value, equal to it, between it and the next, ...
    least = BETWEEN / len(values)
    gaps = np.concatenate([[outside], np.maximum(low[1:] - high[:-1], least), [outside]])
    masses = np.empty(2 * len(values) + 1)
    masses[::2], masses[1::2] = gaps, high - low
    below = np.cumsum(masses / masses.sum())[:-1]
    scores = norm.ppf(below).reshape(-1, 2)
    width = (np.float64(values[-1]) - values[0]) / (scores[-1, 1] - scores[0, 0] + 2)
    rest = np.arange(1, POINTS - len(values))
    if is_step[0]:  # no numbers are beyond a value that repeats
        scores[0, 0] = -FARTHEST
    if is_step[-1]:
        scores[-1, 1] = FARTHEST
    low = np.concatenate([[scores[0, 0] - 1], scores[:, 0], scores[-1, 1] + rest])
    high = np.concatenate([[scores[0, 0] - 1], scores[:, 1], scores[-1, 1] + rest])
    numbers = np.concatenate([[values[0] - width], values, values[-1] + width * rest])
    return np.stack([numbers, low, high]).astype("float32")


def score(cells, points) -> Scores:
    """Returns the scores of cells.

    Args:
        cells: Tensor of shape `(batch, columns)`.
        points: Tensor of shape `(3, columns, POINTS)`.
    """
    (number, following), (low, next_low), (high, _) = _around(cells, points, by=0)
    is_step = ops.logical_and(ops.equal(cells, number), high > low)
    slope = (next_low - high) / (following - number)
    between = high + slope * (cells - number)
    low, high = ops.where(is_step, low, between), ops.where(is_step, high, between)
    middle = (ops.maximum(low, -NEAR) + ops.minimum(high, NEAR)) / 2
    return Scores(ops.where(is_step, middle, between), low, high, ops.log(slope))


def cell(scores, points) -> Tensor:
    """Returns the cells of scores: tensors as for `score`."""
    (number, following), (low, next_low), (high, next_high) = _around(scores, points, by=1)
    share = (scores - high) / (next_low - high)
    are_steps = ops.logical_and(high > low, next_high > next_low)
    share = ops.where(are_steps, ops.round(ops.clip(share, 0.0, 1.0)), share)
    return ops.where(scores <= high, number, number + share * (following - number))


def features(scores) -> Tensor:
    """Returns the inputs of a network for scores: these, and how much of each 1/16 is below them.

    Args:
        scores: Tensor of shape `(batch, columns)`.

    Returns:
        Tensor of shape `(batch, columns, 1 + HATS)`.

    Reference:
        [Gorishniy et al., 2022](https://arxiv.org/abs/2203.05556), for piecewise linear encodings.
    """
    below = portable.normal_cdf(scores)
    filled = ops.subtract(ops.expand_dims(below * HATS, -1), np.arange(HATS, dtype="float32"))
    return ops.concatenate([ops.expand_dims(scores, -1), ops.clip(filled, 0.0, 1.0)], axis=-1)


def _around(x, points, by):
    """Returns pairs of the parts of `points` at the last point whose part `by` is at most x.

    Returns:
        For each part the tensors at that point and at the next, of shape `(batch, columns)`.
    """
    flat = ops.reshape(points, (3, -1))
    start = POINTS * np.arange(x.shape[1], dtype="int32")[None]
    place = ops.add(ops.zeros_like(x, dtype="int32"), start)
    for power in reversed(range(DEPTH)):
        ahead = place + 2**power
        place = ops.where(portable.entries(flat[by], ahead) <= x, ahead, place)
    place = ops.minimum(place, ops.convert_to_tensor(start + POINTS - 2))
    at = portable.entries
    return [(at(flat[part], place), at(flat[part], place + 1)) for part in range(3)]
