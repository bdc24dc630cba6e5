"""Rounded numbers: how many of a column's numbers are rounded, and the same for sampled ones.

The likelihood samples repeated values at their rates (see `normal_scores.repeated`). Numbers that
occur once are sampled from a smooth distribution, and rounded here: if a share of the data is
rounded to a power of ten, the same share of the samples is.
"""

from __future__ import annotations

import math

import numpy as np

from keras_cvae.tables import normal_scores

FEWEST_ONCE = 20
LEAST_ONCE = 0.1  # least share of numbers that occur once, for which roundings are determined
LEAST_DISTANCE = 0.05  # least excess of round numbers over the share expected by chance


def distance_from_line(numbers: np.ndarray, step: float) -> float:
    """Measures the difference of the rates of repeated values from those of a smooth distribution.

    Args:
        numbers: Known cells, of shape `(count,)`.
        step: The smallest possible difference of two numbers.

    Returns:
        The total variation from the line of normal scores, from 0 to 1, less its expectation for a
        sample of that line.
    """
    from scipy.stats import norm

    values, counts = np.unique(numbers, return_counts=True)
    count, twice = len(numbers), 2 * (counts == 2).sum() / len(numbers)
    values, shares = values[counts > 1], counts[counts > 1] / count
    scores, _, rising = _line(numbers)
    edges = np.stack([values - step / 2, values + step / 2])
    of_line = np.diff(norm.cdf(np.interp(edges, rising, scores)), axis=0)[0]
    # The probability of values that occur once or never is about that of those with one or two.
    elsewhere = max(0.0, shares.sum() - of_line.sum() - twice)
    noise = np.sqrt(2 * shares * (1 - shares) / (math.pi * count)).sum()
    return float(np.abs(shares - of_line).sum() + elsewhere - noise) / 2


def _line(numbers):
    """Returns the knots of normal scores: scores, numbers, and numbers moved to be different."""
    location, scale = numbers.mean(), numbers.std()
    scores, cells, rising = normal_scores.learn((numbers - location) / scale)[:3]
    return scores, location + scale * cells, location + scale * rising


def roundings_of(numbers: np.ndarray, decimals: int) -> list[list[float]]:
    """Finds the powers of ten to which more numbers are rounded than by chance.

    Args:
        numbers: Known cells, of shape `(count,)`.
        decimals: The number of their decimals.

    Returns:
        List of `[step, share]`, coarse steps first. A share is relative to the numbers that are not
        multiples of a coarser step. If numbers repeat, only those that occur once count, and if
        these are few, the list is empty, because repeated values are sampled exactly.
    """
    values, counts = np.unique(numbers, return_counts=True)
    once = values[counts == 1]
    if len(once) < LEAST_ONCE * len(numbers):
        return []
    if (counts > 1).any() and len(once) >= FEWEST_ONCE:
        numbers = once
    roundings, rest = [], numbers
    width = np.ptp(numbers) if len(numbers) else 0.0
    largest = math.floor(math.log10(width)) - 1 if width > 0 else -decimals
    for power in range(largest, -decimals, -1):
        step = 10.0**power
        is_round = np.isclose(rest / step, np.round(rest / step), rtol=0, atol=1e-6)
        finer = np.isclose(10 * rest / step, np.round(10 * rest / step), rtol=0, atol=1e-6)
        if len(rest) and is_round.mean() > finer.mean() / 10 + LEAST_DISTANCE:
            roundings.append([step, float(is_round.mean())])
            rest = rest[~is_round]
    return roundings


def round_cells(cells: np.ndarray, roundings: list) -> np.ndarray:
    """Rounds the same shares of sampled cells as in the data.

    Args:
        cells: Sampled cells, of shape `(count,)`.
        roundings: As from `roundings_of`.
    """
    for step, share in roundings:
        # Of the cells between two round numbers, those nearest to each are rounded to it; the
        # others are spread over the whole interval.
        whole = np.floor(cells / step)
        inner = (cells / step - whole - share / 2) / max(1 - share, 1e-9)
        cells = step * (whole + np.clip(inner, 0.0, 1.0))
    return cells
