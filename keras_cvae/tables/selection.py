"""Requested values and ranges of generated rows, such as `sex=F,age=30..40`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import require

if TYPE_CHECKING:
    from pandas import DataFrame

NEAREST = 50  # training rows whose conditions are copied, at least
BACK_OFF = 10  # matching rows that have the same total probability as the others near them
MOST_GENERATED = 200_000  # rows that are generated until enough match
MOST_AT_ONCE = 20_000

_QUOTED = r'"((?:[^"]|"")*)"'
_PAIR = re.compile(rf"\s*(?:{_QUOTED}|([^\",=]*))\s*=\s*(?:{_QUOTED}|([^\",]*))\s*(?:,|$)")


def split(text: str) -> list[tuple[str, str]]:
    """Splits a text such as `name=value,"a name"="a, value"` into pairs of names and values.

    Args:
        text: The text.

    Raises:
        ValueError: If it has another form.
    """
    pairs, start = [], 0
    text = re.sub(r'"([^"=]*)=([^"=]*)"(?=\s*(?:,|$))', r'"\1"="\2"', text.strip())
    while start < len(text):
        match = _PAIR.match(text, start)
        expected = "must be names and values, as sex=F,age=30..40"
        require(match, "where", f"{expected}, with commas and = in double quotes", repr(text))
        quoted_name, name, quoted_value, value = match.groups()
        pairs.append((_text(quoted_name, name), _text(quoted_value, value)))
        start = match.end()
    return pairs


def _text(quoted: str | None, bare: str) -> str:
    """Returns a name or a value without its quotes."""
    return bare.strip() if quoted is None else quoted.replace('""', '"')


def matches(cells: Mapping[str, np.ndarray], ranges: Mapping[str, tuple]) -> np.ndarray:
    """Finds the rows that are in all ranges.

    Args:
        cells: Dict from names of columns to arrays of shape `(rows,)`, NaN where a cell is missing.
        ranges: Dict from names of columns to the least and the greatest number allowed.

    Returns:
        Booleans of shape `(rows,)`.
    """
    within = []
    for name, ends in ranges.items():
        low, high = map(cells[name].dtype.type, ends)
        within.append((cells[name] >= low) & (cells[name] <= high))
    return np.logical_and.reduce(within)


def conditions_like(
    train: Mapping[str, np.ndarray],
    columns: Sequence,
    ranges: Mapping[str, tuple],
    count: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Samples conditions for new rows in the ranges, distributed as in the training rows.

    A new row copies the conditions of a training row that is in the ranges. If there are only
    m < 50 such rows, it copies one of them with probability m / (m + 10), and otherwise another of
    the 50 nearest rows, whose conditions are then replaced by values in the ranges.

    Args:
        train: Dict from names of columns to the conditions of training rows, of shape `(rows,)`.
        columns: The columns that are conditions.
        ranges: Dict from names of columns to the least and the greatest number allowed.
        count: The number of new rows.
        seed: Seed of the samples.

    Returns:
        Dict of arrays of shape `(count,)`, in the order of `columns`.
    """
    rng = np.random.default_rng(seed)
    rows = len(next(iter(train.values())))
    order = rng.permutation(rows)  # rows at the same distance are in random order
    distance, is_match = np.zeros(rows), np.ones(rows, bool)
    for column in columns:
        if column.name in ranges:
            cells, (low, high) = train[column.name][order], ranges[column.name]
            low, high = map(cells.dtype.type, (low, high))
            gap = np.maximum(np.maximum(low - cells, cells - high), 0.0)
            if column.levels is None:
                gap = gap / (np.nanstd(cells) or 1.0)
            gap = np.where(np.isnan(gap), 1.0, np.minimum(gap, 1.0 if column.levels else 9.0))
            distance += gap**2
            is_match &= (gap == 0) | ((low == high) & (column.levels is None))
    is_open = {column.name for column in columns} - {*ranges}
    matching = int(is_match.sum())
    if ranges and is_open and matching < BACK_OFF:
        text = {0: "No training row matches", 1: "Only 1 training row matches"}
        message = text.get(matching, f"Only {matching} training rows match")
        message += "; the other conditions come from the nearest rows too"
        warnings.warn(message, stacklevel=4)
    exact = int((distance == 0).sum())
    nearest = order[np.argsort(distance, kind="stable")][: max(exact, NEAREST)]
    weights = np.ones(len(nearest))
    if exact < len(nearest):
        weights[:exact] = 1 / (exact + BACK_OFF)
        weights[exact:] = BACK_OFF / (exact + BACK_OFF) / (len(nearest) - exact)
    chosen = rng.choice(nearest, count, p=weights / weights.sum())
    conditions = {}
    for column in columns:
        cells = train[column.name][chosen]
        if column.name in ranges:
            low, high = ranges[column.name]
            other = rng.uniform(low, high, count)  # for rows near the range, but outside
            is_within = (cells >= low) & (cells <= high)
            cells = np.where(is_within, cells, other).astype(cells.dtype)
            cells = np.full(count, low, cells.dtype) if low == high else cells
        conditions[column.name] = cells
    return conditions


def generate_until(
    generate: Callable[[int, int], DataFrame],
    is_match: Callable[[DataFrame], np.ndarray],
    count: int,
    seed: int,
) -> tuple[DataFrame, int]:
    """Generates rows until enough of them match, by rejection sampling.

    Args:
        generate: Function that takes a number of rows and a seed, and returns generated rows.
        is_match: Function that returns which rows match, as booleans.
        count: The number of matching rows.
        seed: Seed of the seeds.

    Returns:
        `(rows, generated)`: at most `count` matching rows, fewer if 200,000 generated rows do not
        contain more, and the number of rows that were generated.
    """
    import pandas

    frames, matching, generated = [], 0, 0
    seeds = np.random.default_rng(seed)
    while matching < count and generated < MOST_GENERATED:
        if matching:
            size = (count - matching) * 1.2 * generated / matching
        else:
            size = 10 * max(count, generated)
        size = int(min(max(size, 1000), MOST_AT_ONCE, MOST_GENERATED - generated))
        rows = generate(size, int(seeds.integers(2**31)))
        frames.append(rows[is_match(rows)])
        matching, generated = matching + len(frames[-1]), generated + size
    return pandas.concat(frames, ignore_index=True)[:count], generated
