"""The kinds of columns that a table may have, one a file.

`NAMES` holds them by their names. For one of your own, subclass `Column`.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from keras_cvae.checks import ArgumentError, nearest, require
from keras_cvae.tables.columns.amount import Amount
from keras_cvae.tables.columns.base import Column, Learned, ignore
from keras_cvae.tables.columns.categorical import Categorical
from keras_cvae.tables.columns.constant import Constant
from keras_cvae.tables.columns.count import Count
from keras_cvae.tables.columns.date import Date
from keras_cvae.tables.columns.duration import Duration
from keras_cvae.tables.columns.month_first import MonthFirst
from keras_cvae.tables.columns.numeric import Numeric

if TYPE_CHECKING:
    from pandas import Series

# A column is of the first kind whose `of` takes it.
_IN_ORDER = Date, MonthFirst, Duration, Amount, Count, Numeric, Categorical
NAMES = {kind.kind: kind for kind in _IN_ORDER}
KINDS = (*NAMES, "ignore")
FORMER = {"Numbers": "numeric", "Dates": "date", "Categories": "categorical"}  # in older files

__all__ = [
    "KINDS",
    "NAMES",
    "Amount",
    "Categorical",
    "Column",
    "Constant",
    "Count",
    "Date",
    "Duration",
    "Learned",
    "MonthFirst",
    "Numeric",
    "decide",
    "from_config",
    "from_spec",
]


def decide(series: Series, kind: str | None = None) -> Column | Constant:  # type: ignore[return]
    """Decides the kind of a column.

    Args:
        series: The column.
        kind: A name in `NAMES`; None to decide by the cells. `"numeric"` takes dates too.

    Raises:
        ValueError: If the column is of no kind, or not of this one.
    """
    if kind is not None and kind not in NAMES:
        expected = f"must give column {series.name!r} one of {', '.join(map(repr, KINDS))}"
        raise ArgumentError("kinds", expected + nearest(kind, KINDS), repr(kind))
    distinct = series.dropna().drop_duplicates()
    if len(distinct) < 2 and (len(distinct) == 0 or series.notna().all()):
        return Constant.of(series, distinct)
    if len(distinct) == 1:  # or missing
        return Categorical.of(series, distinct, requested=True)
    for name, member in NAMES.items():
        requested = kind in (name, member.model)
        if kind is None or requested:
            column = member.of(series, distinct, requested)
            if column is not None:
                return column
    name, cells = series.name, ", ".join(map(str, distinct[:3]))
    received = f"{series.dtype}: {cells}" + (", ..." if len(distinct) > 3 else "")
    if kind is not None:
        expected = f"must give column {name!r} a kind that fits; {kind!r} is for "
        raise ArgumentError("kinds", expected + NAMES[kind].holds, received)
    expected = f"Column {name!r} must contain numbers, texts, dates or booleans"
    raise ArgumentError(None, expected, received, ignore(name))


def from_spec(name: str, spec) -> Column:
    """Makes a column from its entry in `tables.Columns`: a kind, or the names of its categories.

    Raises:
        ValueError: If `spec` is anything else.
    """
    kinds = [kind for kind, member in NAMES.items() if member.model == kind and not member.levels]
    expected = (
        f"must give column {name!r} one of {', '.join(map(repr, kinds))}, or the names of its "
        "categories, a list of one or more different strings"
    )
    if isinstance(spec, str):
        require(spec in kinds, "columns", expected + nearest(spec, kinds), repr(spec))
        return NAMES[spec](name)  # type: ignore[call-arg]
    names = [*spec] if isinstance(spec, (list, tuple)) else []
    texts = all(isinstance(category, str) for category in names)
    require(texts and len({*names}) == len(names) >= 1, "columns", expected, repr(spec))
    return Categorical(name, "str", names)


def from_config(config: dict) -> Column | Constant:
    """Makes the column that `as_config` describes."""
    former = config.get("class", "")
    kind = {**NAMES, Constant.kind: Constant}[
        config.get("kind") or FORMER.get(former, former.lower())
    ]
    known = {field.name for field in dataclasses.fields(kind)}
    return kind(**{name: value for name, value in config.items() if name in known})
