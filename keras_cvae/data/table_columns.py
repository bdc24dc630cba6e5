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


@dataclasses.dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Attributes:
        name: Its name.
        kind: `"numeric"` or `"count"`.
        dtype: Its type in pandas.
        decimals: With how many decimals it is written; None where it has more than six.
        low: The least that is written, the least that was seen.
        high: The greatest.
    """

    name: str
    kind: str
    dtype: str
    decimals: int | None
    low: float
    high: float

    learned = True

    @property
    def said(self) -> str | list[str]:
        """What the column is, as `likelihoods.Columns` takes it."""
        return self.kind

    def cells(self, series: Series) -> np.ndarray:
        """A column as float32 numbers, NaN where a cell is missing."""
        with explain(f"Column {self.name!r} must hold numbers", (TypeError, ValueError)):
            return series.to_numpy("float64", na_value=np.nan).astype("float32")

    def written(self, cells: np.ndarray) -> np.ndarray:
        """Numbers as the column has them; NaN is a cell that is missing."""
        cells = np.clip(cells.astype("float64"), self.low, self.high)
        if self.decimals is None:  # float32 has seven digits
            return np.array([float(f"{cell:.7g}") for cell in cells])
        return np.round(cells, self.decimals)

    def condition(self, dropout: float) -> conditions.Condition:
        """The condition that the column is."""
        return conditions.Vector(1, dropout)

    def values(self, cells: np.ndarray) -> np.ndarray:
        """Cells as the condition takes them."""
        return cells[:, None]

    def cells_of_values(self, values: np.ndarray) -> np.ndarray:
        """Cells of what the condition takes."""
        return values[:, 0]

    def parse(self, text: str) -> float:
        """A cell that a user has written."""
        with explain(f"`where` must give column {self.name!r} a finite number", ValueError):
            return checks.number("where", float(text))


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
    """A column with the same in every row, which is written back and not learned.

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
