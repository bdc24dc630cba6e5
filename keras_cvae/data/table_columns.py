"""What a column of a table is: how its cells become numbers, and numbers its cells again."""

from __future__ import annotations

import dataclasses
import reprlib
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import checks, conditions
from keras_cvae.checks import explain, nearest, require

if TYPE_CHECKING:
    from pandas import Series


class Measured:
    """What columns of numbers and of dates have in common: a cell is a number."""

    learned = True

    def condition(self, dropout: float) -> conditions.Condition:
        """The condition that the column is."""
        return conditions.Vector(1, dropout)

    def values(self, cells: np.ndarray) -> np.ndarray:
        """Cells as the condition takes them."""
        return cells[:, None]

    def cells_of_values(self, values: np.ndarray) -> np.ndarray:
        """Cells of what the condition takes."""
        return values[:, 0]


@dataclasses.dataclass(frozen=True)
class Numbers(Measured):
    """A column of numbers.

    Attributes:
        name: Its name.
        kind: `"numeric"` or `"count"`.
        dtype: Its type in pandas.
        decimals: With how many decimals it is written; None where it has more than six.
        low: The least that is written, the least that was seen.
        high: The greatest.
        offset: What is subtracted in float64 before cells become float32, which tells whole
            numbers apart only up to 16,777,216.
    """

    name: str
    kind: str
    dtype: str
    decimals: int | None
    low: float
    high: float
    offset: float = 0.0

    @property
    def said(self) -> str | list[str]:
        """What the column is, as `likelihoods.Columns` takes it."""
        return self.kind

    @property
    def unit(self) -> str:
        """What a cell counts."""
        return "count" if self.kind == "count" else "value"

    def cells(self, series: Series) -> np.ndarray:
        """A column as float32 numbers, NaN where a cell is missing."""
        with explain(f"Column {self.name!r} must hold numbers", (TypeError, ValueError)):
            numbers = series.to_numpy("float64", na_value=np.nan)
        return (numbers - self.offset).astype("float32")

    def written(self, cells: np.ndarray) -> np.ndarray:
        """Numbers as the column has them; NaN is a cell that is missing."""
        cells = np.clip(cells.astype("float64") + self.offset, self.low, self.high)
        if self.decimals is None:  # float32 has seven digits
            return np.array([float(f"{cell:.7g}") for cell in cells])
        return np.round(cells, self.decimals)

    def parse(self, text: str) -> float:
        """A cell that a user has written."""
        with explain(f"`where` must give column {self.name!r} a finite number", ValueError):
            value = checks.number("where", float(text))
        expected = f"`where` must give column {self.name!r} a number within the data's"
        expected = f"{expected}, {self.low:.12g} to {self.high:.12g}"
        require(self.low <= value <= self.high, expected, text)
        return value - self.offset


@dataclasses.dataclass(frozen=True)
class Dates(Measured):
    """A column of dates or times, learned as a number: the days since the first of them.

    Attributes:
        name: Its name.
        dtype: Its type in pandas.
        format: How texts write a date, as for `strftime`; None where pandas has dates itself.
        step: The seconds that cells are rounded to, 86400 where all are whole days.
        first: The first date that was seen, as ISO 8601 has it.
        days: How many days after it the last one is.
    """

    name: str
    dtype: str
    format: str | None
    step: int
    first: str
    days: float

    said = "numeric"

    @property
    def unit(self) -> str:
        """What a cell counts."""
        return f"days since {self.first[:10]}"

    def cells(self, series: Series) -> np.ndarray:
        """A column as days since the first date, float32, NaN where a cell is missing."""
        with explain(f"Column {self.name!r} must hold dates", (TypeError, ValueError)):
            return self._days(series, self.format, "raise").to_numpy("float32")

    def _days(self, series, form, errors):
        import pandas

        first = pandas.Timestamp(self.first)
        aware = first.tzinfo is not None
        dates = pandas.to_datetime(series, format=form, errors=errors, utc=aware)
        return (dates - first) / pandas.Timedelta(days=1)

    def written(self, cells: np.ndarray) -> Series:
        """Dates, or texts of them, rounded to a step and within those that were seen."""
        import pandas

        seconds = np.clip(cells.astype("float64"), 0, self.days) * 86400
        since = pandas.to_timedelta(np.round(seconds / self.step) * self.step, unit="s")
        dates = pandas.Series(pandas.Timestamp(self.first) + since)
        if self.format is None:
            return dates
        return dates.dt.strftime(self.format).astype(object).where(dates.notna(), None)

    def parse(self, text: str) -> float:
        import pandas

        example = pandas.Timestamp(self.first).strftime(self.format or "%Y-%m-%d")
        expected = f"`where` must give column {self.name!r} a date, as {example}"
        with explain(expected, TypeError):  # with a time zone, or without, as the column is not
            days = self._days(pandas.Series([text]), self.format or "ISO8601", "coerce")[0]
        require(not np.isnan(days), expected, repr(text))
        last = self.written(np.array([0.0, self.days]))
        expected = f"`where` must give column {self.name!r} a date from {last[0]} to {last[1]}"
        require(0 <= days <= self.days, expected, repr(text))
        return float(days)


@dataclasses.dataclass(frozen=True)
class Categories:
    """A column of categories.

    Attributes:
        name: Its name.
        dtype: Its type in pandas.
        categories: What it may hold, texts, booleans or numbers, in their order.
    """

    name: str
    dtype: str
    categories: list

    learned = True
    unit = "category"

    @property
    def said(self):
        return [str(value) for value in self.categories]

    def cells(self, series: Series) -> np.ndarray:
        """A column as indices of its categories, NaN where a cell is missing."""
        places = {value: place for place, value in enumerate(self.categories)}
        known = series.notna().to_numpy()
        values = [*series[known].unique()]
        unseen = [value for value in values if value not in places]
        expected = f"Column {self.name!r} must hold {reprlib.repr(self.said)}"
        require(not unseen, expected, reprlib.repr(unseen))
        found = np.full(len(series), np.nan, "float32")
        found[known] = series[known].map(places).to_numpy("float32")
        return found

    def written(self, cells: np.ndarray) -> np.ndarray:
        values = np.array([*self.categories, None], object)
        return values[np.where(np.isnan(cells), len(self.categories), cells).astype(int)]

    def condition(self, dropout: float) -> conditions.Condition:
        return conditions.Classes(len(self.categories), dropout, names=self.said)

    def values(self, cells: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(cells), conditions.UNKNOWN, cells).astype("int32")

    def cells_of_values(self, values: np.ndarray) -> np.ndarray:
        return np.where(values == conditions.UNKNOWN, np.nan, values).astype("float32")

    def parse(self, text: str) -> float:
        places = {name: float(place) for place, name in enumerate(self.said)}
        expected = f"`where` must give column {self.name!r} one of {', '.join(map(repr, places))}"
        require(text in places, expected + nearest(text, places), repr(text))
        return places[text]


@dataclasses.dataclass(frozen=True)
class Constant:
    """A column with the same in every row, or no cell at all: written back, not learned.

    Attributes:
        name: Its name.
        dtype: Its type in pandas.
        value: What it holds; None where every cell is missing.
    """

    name: str
    dtype: str
    value: object

    learned = False

    def written(self, cells: np.ndarray) -> list:
        """The same for as many rows as there are cells."""
        return [self.value] * len(cells)
