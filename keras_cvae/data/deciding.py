"""Deciding what a column of a table is, from what it holds."""

from __future__ import annotations

import datetime
import reprlib
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import require
from keras_cvae.data.arrays import MOST_COUNT
from keras_cvae.data.table_columns import Categories, Constant, Dates, Numbers

if TYPE_CHECKING:
    from pandas import Series

KINDS = ("numeric", "categorical", "count", "ignore")
MOST_CATEGORIES = 200
FEW = 10  # whole numbers of no more different values are taken for categories
MOST_DECIMALS = 6
MOST_DISTINCT = 20  # values of which most may be in one row alone
LEAST_SPREAD = 1e-5  # of a column, as a share of its size: float32 tells no more apart
LARGEST_EXACT = 2**24  # up to which float32 tells all whole numbers apart
DATES = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y")
DATES += ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%d %H:%M:%S.%f")
DATES += ("%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y %H:%M", "%H:%M", "%H:%M:%S")
STEPS = (86400, 3600, 60)  # seconds
LEAVE_OUT = "; the kind `ignore` leaves it out"


def column_of(series: Series, kind: str | None = None) -> Numbers | Dates | Categories | Constant:
    """Decides what a column is.

    Args:
        series: The column.
        kind: What it is, one of `KINDS` but `"ignore"`; None to decide by its cells.

    Raises:
        ValueError: If it can be none of these, or not the kind.
    """
    from pandas.api import types

    known = series.dropna()
    name, dtype, values = series.name, str(series.dtype), list(known.unique())
    if len(values) == 1 and len(known) < len(series):  # there, or missing
        return Categories(name, dtype, [*map(_plain, values)])
    if len(values) < 2:
        return Constant(name, dtype, *[_plain(value) for value in values] or [None])
    if kind in (None, "numeric"):
        dates = _dates(series, known.drop_duplicates())
        if dates is not None and (kind or len(values) > FEW or dates.format is None):
            return dates
    is_number = types.is_numeric_dtype(series.dtype) and not types.is_bool_dtype(series.dtype)
    if not is_number:
        texts = all(isinstance(value, str) for value in values)
        flags = all(isinstance(value, (bool, np.bool_)) for value in values)
        expected = f"Column {name!r} must hold numbers, texts, dates or booleans{LEAVE_OUT}"
        require(texts or flags, expected, f"{dtype}: {reprlib.repr(list(map(str, values)))}")
        expected = f"Column {name!r} must hold numbers to be {kind}"
        require(kind in (None, "categorical"), expected, f"{dtype}: {reprlib.repr(values)}")
        return _categories(series, known, values, kind)
    require(series.dtype.kind != "c", f"Column {name!r} must hold real numbers{LEAVE_OUT}", dtype)
    numbers = known.to_numpy("float64")
    expected = f"Column {name!r} must hold finite numbers in the range of float32{LEAVE_OUT}"
    within = (np.abs(numbers) <= np.finfo("float32").max).all()
    require(within, expected, f"numbers from {numbers.min():g} to {numbers.max():g}")
    whole = types.is_integer_dtype(series.dtype)
    if kind == "categorical" or (kind is None and whole and len(values) <= FEW):
        return _categories(series, known, values, kind)
    low, high = float(numbers.min()), float(numbers.max())
    in_order = whole and (np.diff(np.sort(numbers)) == 1).all() and len(values) > MOST_DISTINCT
    expected = f"Column {name!r} must tell something of the rows{LEAVE_OUT}"
    require(kind or not in_order, expected, f"the numbers {low:.0f} to {high:.0f}, each once")
    expected = f"Column {name!r} must vary by more than float32 can tell; subtract its least"
    spread = f"numbers from {low:.17g} to {high:.17g}"
    offset = low if whole and np.abs(numbers).max() > LARGEST_EXACT else 0.0
    size = np.abs(numbers - offset).max()
    require(numbers.std() > LEAST_SPREAD * size, expected, spread)
    counts = (numbers == np.floor(numbers)).all() and low >= 0 and high <= MOST_COUNT
    expected = f"Column {name!r} must hold whole numbers from 0 to {MOST_COUNT} to be a count"
    require(kind != "count" or counts, expected, spread)
    if kind is None:
        spreads = whole and counts and low == 0 and numbers.var() >= numbers.mean()
        kind = "count" if spreads else "numeric"
    return Numbers(name, kind, dtype, _decimals(numbers), low, high, offset)


def _dates(series, distinct):
    """The column as one of dates, of its different cells; None where it is none."""
    import pandas

    form, dtype = None, str(series.dtype)
    if all(isinstance(value, datetime.date) for value in distinct):
        dtype = dtype if dtype.startswith("datetime64") else "datetime64[us]"
    else:
        form = next((form for form in DATES if _are_written(distinct, form)), None)
        if form is None:
            return None
    dates = pandas.to_datetime(distinct, format=form)
    first = dates.min()
    seconds = (dates - first.normalize()) / pandas.Timedelta(seconds=1)
    step = next((step for step in STEPS if (seconds % step == 0).all()), 1)
    days = float((dates.max() - first) / pandas.Timedelta(days=1))
    return Dates(series.name, dtype, form, step, first.isoformat(), days)


def _are_written(cells, form):
    """Whether cells are all texts that write dates in a form, and in no other way."""
    import pandas

    if not all(isinstance(value, str) for value in cells):
        return False
    dates = pandas.to_datetime(cells, format=form, errors="coerce")
    return bool(dates.notna().all() and (dates.dt.strftime(form) == cells).all())


def _categories(series, known, values, kind):
    name, count, rows = series.name, len(values), len(known)
    identifies = kind is None and count > max(MOST_DISTINCT, rows / 2)
    limit = f"at most {MOST_CATEGORIES} categories, most of them in several rows"
    expected = f"Column {name!r} must have {limit}, not identifiers{LEAVE_OUT}"
    if not all(isinstance(value, str) for value in values):
        received = f"{count} different values in {rows} rows"
    else:
        odd = [value for value in values if not _is_number(value)]
        mostly_numbers = len(odd) < count / 2
        shown = f"numbers, but for {reprlib.repr(odd)}" if mostly_numbers else reprlib.repr(values)
        received = f"{count} different texts in {rows} rows, {shown}"
    require(count <= MOST_CATEGORIES and not identifies, expected, received)
    ordered = getattr(series.dtype, "ordered", False)
    values = [v for v in series.dtype.categories if v in set(values)] if ordered else sorted(values)
    return Categories(name, str(series.dtype), [*map(_plain, values)])


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


def _decimals(numbers):
    """How many decimals tell the numbers apart, at most six; None where more are needed."""
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(numbers, np.round(numbers, decimals), rtol=1e-12, atol=0):
            return decimals
    return None


def _plain(value):
    """A value of NumPy as Python's own, which JSON takes."""
    return value.item() if hasattr(value, "item") else value
