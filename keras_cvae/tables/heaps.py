"""Heaped numbers: values that a column repeats, and rounding, at the rates of the data.

The model follows the quantiles of a column by a smooth line of a few pieces (see `normal_scores`).
These functions make up the difference in sampled cells. Each repeated value replaces the
interval of cells that holds as large a share of the line as the value holds of the data; cells
between two repeated values are stretched to fill the gap, so that a number which the data hold once
is not copied. Where a share of the numbers is rounded to a power of ten, so is that share of cells.
"""

from __future__ import annotations

import math

import numpy as np

from keras_cvae.tables import normal_scores

MOST_VALUES = 2000
LEAST_SHARE = 0.5  # of the cells that are repeated values
LEAST_DISTANCE = 0.05  # total variation, beyond that of a sample, from the line's own shares


def learn(numbers: np.ndarray, decimals: int) -> tuple[list, list]:
    """What `settle` needs: nodes, and roundings of the cells that are no repeated value.

    Args:
        numbers: Known cells, of shape `(count,)`.
        decimals: How many decimals they are written with.
    """
    nodes = nodes_of(numbers, 10.0**-decimals)
    rest = numbers[~np.isin(numbers, nodes[1])] if nodes else numbers
    return nodes, roundings_of(rest, decimals)


def nodes_of(numbers: np.ndarray, step: float) -> list[list[float]]:
    """Where repeated values lie among the cells that the model samples.

    Args:
        numbers: Known cells, of shape `(count,)`.
        step: The distance of two numbers, as they are written.

    Returns:
        Two lists, sampled cells and what is written for them, for `numpy.interp`; empty where the
        rates are right without.
    """
    from scipy.stats import norm

    values, counts = np.unique(numbers, return_counts=True)
    is_repeated = counts > 1
    count, repeated = len(numbers), int(is_repeated.sum())
    if not 0 < repeated <= MOST_VALUES or counts[is_repeated].sum() < LEAST_SHARE * count:
        return []
    if distance_from_line(numbers, step) < LEAST_DISTANCE:
        return []
    above = np.cumsum(counts)
    levels = np.stack([above - counts, above])[:, is_repeated] / count
    scores, cells, _ = _line(numbers)
    at = np.interp(norm.ppf(levels), scores, cells).T.ravel()
    values = np.repeat(values[is_repeated], 2)
    if levels[0, 0] > 0:
        at, values = np.append(numbers.min(), at), np.append(numbers.min(), values)
    if levels[1, -1] < 1:
        at, values = np.append(at, numbers.max()), np.append(values, numbers.max())
    at = np.maximum.accumulate(at)
    return [[float(f"{cell:.9g}") for cell in at], values.tolist()]


def distance_from_line(numbers: np.ndarray, step: float) -> float:
    """How far the rates of repeated values are from those of the line of normal scores.

    Args:
        numbers: Known cells, of shape `(count,)`.
        step: The distance of two numbers, as they are written.

    Returns:
        The total variation, from 0 to 1, less what is expected of a sample of the line.
    """
    from scipy.stats import norm

    values, counts = np.unique(numbers, return_counts=True)
    count, twice = len(numbers), 2 * (counts == 2).sum() / len(numbers)
    values, shares = values[counts > 1], counts[counts > 1] / count
    scores, _, apart = _line(numbers)
    edges = np.stack([values - step / 2, values + step / 2])
    of_line = np.diff(norm.cdf(np.interp(edges, apart, scores)), axis=0)[0]
    # Values that a sample has once or never hold about as much as those that it has once or twice.
    elsewhere = max(0.0, shares.sum() - of_line.sum() - twice)
    noise = np.sqrt(2 * shares * (1 - shares) / (math.pi * count)).sum()
    return float(np.abs(shares - of_line).sum() + elsewhere - noise) / 2


def _line(numbers):
    """Knots of the line of normal scores: scores, numbers, and numbers that are all different."""
    location, scale = numbers.mean(), numbers.std()
    scores, cells, apart = normal_scores.learn((numbers - location) / scale)[:3]
    return scores, location + scale * cells, location + scale * apart


def roundings_of(numbers: np.ndarray, decimals: int) -> list[list[float]]:
    """Powers of ten to which more numbers are rounded than by chance.

    Args:
        numbers: Known cells, of shape `(count,)`.
        decimals: How many decimals they are written with.

    Returns:
        List of `[step, share]`, coarse ones first; each share is of the numbers that no coarser
        step has.
    """
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


def settle(cells: np.ndarray, nodes: list, roundings: list) -> np.ndarray:
    """Moves sampled cells to repeated values, and rounds the others as the data are rounded."""
    is_value = np.zeros(len(cells), bool)
    if nodes:
        cells = np.where(np.isnan(cells), np.nan, np.interp(cells, *nodes))
        is_value = np.isin(cells, nodes[1])
    rounded = cells
    for step, share in roundings:
        # Of the cells between two round numbers, those nearest to each become it; the others are
        # stretched to fill the gap.
        whole = np.floor(rounded / step)
        part = rounded / step - whole
        inner = (part - share / 2) / max(1 - share, 1e-9)
        rounded = step * (whole + np.clip(inner, 0.0, 1.0))
    return np.where(is_value, cells, rounded)
