"""What a user asks of generated rows: values and ranges of columns, as `sex=F,age=30..40`."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from keras_cvae.checks import require

NEAREST = 50  # training rows that lend conditions, at least
BACK_OFF = 10  # how many rows as asked count as much as all others that are near

_QUOTED = r'"((?:[^"]|"")*)"'
_PAIR = re.compile(rf"\s*(?:{_QUOTED}|([^\",=]*))\s*=\s*(?:{_QUOTED}|([^\",]*))\s*(?:,|$)")


def split(text: str) -> list[tuple[str, str]]:
    """Splits `name=value,"a name"="a, value"` into pairs.

    Raises:
        ValueError: If the text is anything else.
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
    """What a name or a value is, of which one form or the other was matched."""
    return bare.strip() if quoted is None else quoted.replace('""', '"')


def matches(cells: Mapping[str, np.ndarray], asked: Mapping[str, tuple]) -> np.ndarray:
    """Which rows are as asked.

    Args:
        cells: By the names of columns, arrays of shape `(rows,)`, NaN where a cell is missing.
        asked: By the names of columns, the least and the greatest number allowed.

    Returns:
        Booleans of shape `(rows,)`.
    """
    within = [
        (cells[name] >= np.float32(low)) & (cells[name] <= np.float32(high))
        for name, (low, high) in asked.items()
    ]
    return np.logical_and.reduce(within)


def conditions_like(
    kept: Mapping[str, np.ndarray],
    columns: Sequence,
    asked: Mapping[str, tuple],
    count: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Chooses conditions for rows: those asked for, and others that go with them in training rows.

    Conditions that are left open are taken together from training rows that are as asked. Where
    these are fewer than 50, the 50 nearest rows lend theirs too: so many that m rows as asked have
    the share m / (m + 10).

    Args:
        kept: The conditions of training rows, by the names of columns, of shape `(rows,)`.
        columns: The columns.
        asked: By the names of columns, the least and the greatest number allowed.
        count: For how many rows.
        seed: Seed of the choice.

    Returns:
        Dict of arrays of shape `(count,)`, in the order of `columns`.
    """
    rng = np.random.default_rng(seed)
    rows = len(next(iter(kept.values())))
    order = rng.permutation(rows)  # rows at the same distance come in any order
    distance, is_alike = np.zeros(rows), np.ones(rows, bool)
    for column in columns:
        if column.name in asked:
            cells, (low, high) = kept[column.name][order], asked[column.name]
            apart = np.maximum(np.maximum(np.float32(low) - cells, cells - np.float32(high)), 0.0)
            if column.levels is None:
                apart = apart / (np.nanstd(cells) or 1.0)
            apart = np.where(np.isnan(apart), 1.0, np.minimum(apart, 1.0 if column.levels else 9.0))
            distance += apart**2
            is_alike &= (apart == 0) | ((low == high) & (column.levels is None))
    is_open = {column.name for column in columns} - {*asked}
    alike = int(is_alike.sum())
    if asked and is_open and alike < BACK_OFF:
        text = {0: "No training row is", 1: "Only 1 training row is"}
        message = f"{text.get(alike, f'Only {alike} training rows are')} as asked; what is left "
        warnings.warn(f"{message}open comes from the rows nearest to it too", stacklevel=4)
    exact = int((distance == 0).sum())
    nearest = order[np.argsort(distance, kind="stable")][: max(exact, NEAREST)]
    weights = np.ones(len(nearest))
    if exact < len(nearest):
        weights[:exact] = 1 / (exact + BACK_OFF)
        weights[exact:] = BACK_OFF / (exact + BACK_OFF) / (len(nearest) - exact)
    chosen = rng.choice(nearest, count, p=weights / weights.sum())
    found = {}
    for column in columns:
        cells = kept[column.name][chosen]
        if column.name in asked:
            low, high = asked[column.name]
            other = rng.uniform(low, high, count)  # of rows that are near, but outside the range
            cells = np.where((cells >= low) & (cells <= high), cells, other).astype("float32")
            cells = np.full(count, low, "float32") if low == high else cells
        found[column.name] = cells
    return found
