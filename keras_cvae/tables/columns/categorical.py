"""Columns of categories: a softmax of their logits."""

from __future__ import annotations

import dataclasses
import re
import reprlib
import warnings

import numpy as np
from keras import ops

from keras_cvae import conditions, portable
from keras_cvae.checks import nearest, require
from keras_cvae.likelihoods import categorical
from keras_cvae.tables.columns.base import Column, ignore, plain
from keras_cvae.tables.columns.numeric import FEW, MOST_DISTINCT, is_number, whole
from keras_cvae.types import Tensor

MOST_CATEGORIES = 200  # the most frequent are kept
OTHERS = ("other", "other values", "none of these")  # names of the rest; the first that is free


@dataclasses.dataclass(frozen=True)
class Categorical(Column):
    """A column of categories; a cell as a number is the index of its category.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        categories: The possible values, texts, booleans or numbers, in their order.
        rest: A text, the last of the categories, that replaces all rarer values; None if all values
            are categories.
    """

    name: str
    dtype: str
    categories: list
    rest: str | None = None

    kind = model = "categorical"
    holds = "texts, booleans or numbers"
    unit = "category"

    @classmethod
    def of(cls, series, distinct, requested) -> Categorical | None:
        name, dtype, values = series.name, str(series.dtype), [*distinct]
        if is_number(series.dtype):
            if not requested and not (whole(series.dtype) and len(values) <= FEW):
                return None
        elif not any(all(isinstance(v, kind) for v in values) for kind in _kinds(series.dtype)):
            return None
        _check(name, values, series.notna().sum(), requested)
        counts = series.dropna().astype(object).value_counts()
        known = {*counts.index[:MOST_CATEGORIES]}
        is_ordered = getattr(series.dtype, "ordered", False)
        ordered = series.dtype.categories if is_ordered else sorted(values)
        categories = [plain(value) for value in ordered if value in known]
        if len(values) == len(categories):
            return cls(name, dtype, categories)
        rest = next(text for text in OTHERS if text not in {*map(str, values)})
        kept = f"its {len(categories)} most frequent values of {len(values)}"
        message = f"Column {name!r} keeps {kept}; the others become {rest!r}"
        warnings.warn(message, stacklevel=4)
        return cls(name, "object", [*categories, rest], rest)

    @property
    def names(self) -> list[str]:
        """The categories as texts."""
        return [str(value) for value in self.categories]

    @property
    def spec(self) -> list[str]:  # type: ignore[override]
        return self.names

    @property
    def summary(self) -> str:
        return f"({self.levels} categories)"

    @property
    def levels(self) -> int:  # type: ignore[override]
        return len(self.categories)

    @property
    def size(self) -> int:  # type: ignore[override]
        return self.levels

    @property
    def encoded_size(self) -> int:  # type: ignore[override]
        return self.levels

    def read(self, series) -> np.ndarray:
        places = {value: place for place, value in enumerate(self.categories)}
        known = series.notna().to_numpy()
        values = [*series[known].unique()]
        unseen = [value for value in values if value not in places and self.rest is None]
        expected = f"Column {self.name!r} must contain {reprlib.repr(self.names)}"
        require(not unseen, None, expected, reprlib.repr(unseen))
        cells = np.full(len(series), np.nan, "float32")
        found = series[known].map(places).astype("float32")
        cells[known] = found if self.rest is None else found.fillna(places[self.rest])
        return cells

    def read_texts(self, texts) -> np.ndarray:
        return Categorical(self.name, "str", self.names, self.rest).read(texts)

    def write(self, cells) -> np.ndarray:
        values = np.array([*self.categories, None], object)
        return values[np.where(np.isnan(cells), self.levels, cells).astype(int)]

    def parse(self, text) -> float:
        places = {name: float(place) for place, name in enumerate(self.names)}
        expected = f"must give column {self.name!r} one of {', '.join(map(repr, places))}"
        require(text in places, "where", expected + nearest(text, places), repr(text))
        return places[text]

    def condition(self, dropout) -> conditions.Condition:
        return conditions.Classes(self.levels, dropout, names=self.names)

    def to_input(self, cells) -> np.ndarray:
        return np.where(np.isnan(cells), conditions.UNKNOWN, cells).astype("int32")

    def from_input(self, values) -> np.ndarray:
        return np.where(values == conditions.UNKNOWN, np.nan, values).astype("float32")

    def check(self, cells) -> str | None:
        valid = (cells == np.floor(cells)).all() and (cells >= 0).all()
        valid = valid and (cells < self.levels).all()
        return None if valid else f"indices of its categories, 0 to {self.levels - 1}"

    def scaled(self, cells) -> np.ndarray:
        return np.zeros_like(cells)

    def encode(self, x, known, learned) -> Tensor:
        """Returns one-hot vectors, all zeros for an unknown cell."""
        one_hot = ops.one_hot(_indices(x, known, -1.0), self.levels, dtype="float32")
        return ops.reshape(one_hot, (-1, self.levels * x.shape[1]))

    def log_prob(self, x, known, parameters, learned) -> Tensor:
        return categorical.log_probability(_indices(x, known, 0.0), self._logits(parameters))

    def mean(self, parameters, learned) -> Tensor:
        """Returns the index of the most probable category, because categories have no mean."""
        chosen = portable.one_hot_of_greatest(self._logits(parameters))
        return ops.sum(ops.multiply(chosen, np.arange(self.levels, dtype="float32")), axis=-1)

    def sample(self, parameters, learned, seed) -> Tensor:
        if self.levels == 1:
            return ops.zeros_like(parameters)
        return categorical.sample_category(self._logits(parameters), seed)

    def _logits(self, parameters):
        columns = parameters.shape[1] // self.levels
        return ops.reshape(parameters, (-1, columns, self.levels))


def _kinds(dtype):
    """The types of values, of which all must be of one; pandas categories may be numbers too."""
    kinds = [str, (bool, np.bool_)]
    return [*kinds, (int, float, np.number)] if str(dtype) == "category" else kinds


def _indices(x, known, unknown):
    return ops.cast(ops.where(known, x, unknown), "int32")


def _check(name, values, rows, requested):
    """Refuses identifiers, of which each row has its own."""
    count = len(values)
    identifies = not requested and count > max(MOST_DISTINCT, rows / 2)
    advice = ignore(name)
    limit = "categories, most of them in several rows"
    expected = f"Column {name!r} must have {limit}, not identifiers"
    if not all(isinstance(value, str) for value in values):
        received = f"{count} different values in {rows} rows"
    else:
        odd = [value for value in values if not _is_number(value)]
        mostly_numbers = len(odd) < count / 2
        shown = reprlib.repr(values)
        if mostly_numbers:
            shown = f"numbers, but for {reprlib.repr(odd)}" if odd else f"numbers as texts, {shown}"
            shown += "; of a DataFrame, pandas.to_numeric(..., errors='coerce') converts them"
        received = f"{count} different texts in {rows} rows, {shown}"
        if mostly_numbers and odd:
            advice = "na_values", "names texts that mean that a cell is missing"
        elif _look_like_dates(values):
            received += ", which look like dates; write them as 2026-01-31 or 2026-01-31T14:05:00"
    require(not identifies, None, expected, received, advice)


def _look_like_dates(texts):
    import pandas

    if not all(re.search(r"[A-Za-z]{3}|\d[-/.:]\d", text) for text in texts[:20]):
        return False  # pandas takes 1,84 for a date too
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pandas.to_datetime(texts[:20], errors="coerce", format="mixed").notna().all()


def _is_number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True
