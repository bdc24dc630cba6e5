"""Columns of numbers."""

from __future__ import annotations

import dataclasses
import math
from decimal import Decimal
from typing import Self

import numpy as np

from keras_cvae.checks import explain, require
from keras_cvae.tables import rounding
from keras_cvae.tables.columns.base import ignore
from keras_cvae.tables.columns.real import EXACT, Real

FEW = 10  # number of different whole numbers up to which they are categories
MOST_DECIMALS = 6
MOST_DISTINCT = 20  # number of consecutive whole numbers above which they are row numbers
FAR = 1000.0  # distance from 0, in standard deviations, beyond which float32 has too few digits
LARGEST = 2**53  # float64 represents all whole numbers up to it


@dataclasses.dataclass(frozen=True)
class Numeric(Real):
    """A column of numbers, modelled as real ones.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        decimals: The number of decimals of the numbers; None for more than six.
        low: The least number in the data and in generated cells.
        high: The greatest.
        offset: The number that is subtracted in float64 from cells, which are float32 if it
            represents all of them: whole numbers, for example, only up to 16,777,216.
        roundings: The powers of ten to which numbers are rounded, as from `rounding.roundings_of`.
        unique: Whether `low`, and whether `high`, occurs only once in the data. Such a number is
            not generated.
    """

    name: str
    dtype: str = "float64"
    decimals: int | None = None
    low: float = -math.inf
    high: float = math.inf
    offset: float = 0.0
    roundings: list = dataclasses.field(default_factory=list)
    unique: list[bool] = dataclasses.field(default_factory=lambda: [False, False])

    kind = model = "numeric"
    holds = "numbers"

    @classmethod
    def of(cls, series, distinct, requested) -> Self | None:
        if series.dtype == object and all(isinstance(value, Decimal) for value in distinct):
            series = series.astype("float64")
        is_few = is_number(series.dtype) and whole(series.dtype) and len(distinct) <= FEW
        if not is_number(series.dtype) or (is_few and not requested):
            return None
        column = cls.within(series, distinct, requested)
        numbers = series.dropna().to_numpy("float64") - column.offset
        decimals = MOST_DECIMALS if column.decimals is None else column.decimals
        roundings = rounding.roundings_of(numbers, decimals)
        unique = [bool((numbers == end).sum() == 1) for end in (numbers.min(), numbers.max())]
        return dataclasses.replace(column, roundings=roundings, unique=unique)

    @classmethod
    def within(cls, series, distinct, requested) -> Self:
        """Returns the column with the bounds of its numbers, which were checked before."""
        is_whole = whole(series.dtype)
        name, dtype, numbers = series.name, str(series.dtype), series.dropna()
        expected = f"Column {name!r} must contain real numbers"
        require(series.dtype.kind != "c", None, expected, dtype, ignore(name))
        numbers = numbers.to_numpy("float64")
        low, high = float(numbers.min()), float(numbers.max())
        expected = f"Column {name!r} must contain finite numbers in the range of float32"
        within = max(abs(low), abs(high)) <= np.finfo("float32").max
        require(within, None, expected, f"numbers from {low:g} to {high:g}", ignore(name))
        in_order = is_whole and len(numbers) == len(distinct) == high - low + 1 > MOST_DISTINCT
        expected = f"Column {name!r} must not only number the rows"
        received = f"the numbers {low:.0f} to {high:.0f}, each once"
        require(requested or not in_order, None, expected, received, ignore(name))
        size = max(abs(low), abs(high))
        expected = f"Column {name!r} must contain whole numbers of at most {LARGEST}"
        received = f"numbers from {low:.0f} to {high:.0f}"
        require(not is_whole or size <= LARGEST, None, expected, received, ignore(name))
        is_far = size > FAR * numbers.std() or (is_whole and size > EXACT)
        offset = float(math.floor(low)) if is_far else 0.0
        return cls(name, dtype, decimals_of(numbers), low, high, offset)

    @property
    def ends(self) -> tuple[float, float]:
        return self.low - self.offset, self.high - self.offset

    @property
    def resolution(self) -> float:
        return 0.0 if self.decimals is None else 10.0**-self.decimals

    def read_texts(self, texts) -> np.ndarray:
        import pandas

        return self.read(pandas.to_numeric(texts))

    def read(self, series) -> np.ndarray:
        with explain(None, f"Column {self.name!r} must contain numbers", (TypeError, ValueError)):
            numbers = series.to_numpy("float64", na_value=np.nan)
        return self.as_cells(numbers - self.offset)

    def write(self, cells) -> np.ndarray:
        cells = np.clip(cells.astype("float64") + self.offset, self.low, self.high)
        if self.decimals is None:  # float32 has seven digits
            return np.array([float(f"{cell:.7g}") for cell in cells - self.offset]) + self.offset
        return np.round(cells, self.decimals)

    def round_samples(self, cells) -> np.ndarray:
        """Rounds sampled cells as the data are, and moves them away from unique extremes."""
        low, high = self.ends
        room = (high - low) / 100
        cells = cells.astype("float64")
        for is_unique, end, inwards in zip(self.unique, self.ends, (1, -1), strict=True):
            if is_unique:
                beyond = np.maximum(0.0, inwards * (end - cells))
                inside = end + inwards * room * (beyond + room / 10) / (beyond + room)
                cells = np.where(inwards * (end - cells) >= 0, inside, cells)
        return rounding.round_cells(cells, self.roundings)

    def parse(self, text) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        expected = f"must give column {self.name!r} a finite number"
        require(math.isfinite(value), "where", expected, repr(text))
        expected = f"must give column {self.name!r} a number within the data's"
        expected = f"{expected}, {self.low:.12g} to {self.high:.12g}"
        require(self.low <= value <= self.high, "where", expected, text)
        return value - self.offset


def is_number(dtype) -> bool:
    """Returns whether a type of pandas is numeric, except for booleans."""
    from pandas.api import types

    return types.is_numeric_dtype(dtype) and not types.is_bool_dtype(dtype)


def whole(dtype) -> bool:
    """Returns whether a type of pandas is an integer type."""
    from pandas.api import types

    return types.is_integer_dtype(dtype)


def decimals_of(numbers: np.ndarray) -> int | None:
    """Returns the number of decimals that distinguish numbers, at most six, or None for more."""
    for decimals in range(MOST_DECIMALS + 1):
        if np.allclose(numbers, np.round(numbers, decimals), rtol=1e-12, atol=0):
            return decimals
    return None
