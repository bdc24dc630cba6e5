"""DataFrames as the numbers that a model takes, and numbers as DataFrames like those."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from pandas.api import types

from keras_cvae import checks

NUMERIC = "numeric"


class Frame:
    """What the columns of a DataFrame are: numbers, or categories, which become their indices.

    Args:
        frame: A DataFrame of numbers, booleans, strings and categories.
        columns: Optional dict of the columns' names to what they are, as `likelihoods.Columns`
            takes it: it says the order of categories.

    Attributes:
        columns: Such a dict, of numbers and categories alone.

    Raises:
        ValueError: If a column is of anything else, or not as `columns` says.
    """

    def __init__(self, frame: pd.DataFrame, columns: Mapping | None = None):
        self.dtypes = frame.dtypes
        self.columns, self.categories = {}, {}
        for name, column in frame.items():
            self.columns[str(name)] = NUMERIC
            if types.is_numeric_dtype(column) and not types.is_bool_dtype(column):
                continue
            values = list(_values(name, column))
            if columns is not None:
                values = _in_order(name, values, columns.get(str(name)))
            self.categories[name] = values
            self.columns[str(name)] = [str(value) for value in values]

    def to_numbers(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The same columns, of numbers: a category is its index, what is missing is NaN.

        Raises:
            ValueError: If there is a category that is none of the column's.
        """
        frame = frame.copy(deep=False)
        for name, values in self.categories.items():
            if name in frame:
                places = frame[name].map({value: place for place, value in enumerate(values)})
                strange = frame[name][places.isna() & frame[name].notna()]
                expected = f"Column {name!r} of `X` must hold categories of {values}"
                checks.require(strange.empty, expected, repr(next(iter(strange), None)))
                frame[name] = places.astype("float32")
        return frame

    def from_numbers(self, numbers: np.ndarray) -> pd.DataFrame:
        """A DataFrame with the columns and types of the first one; integers are rounded."""
        found = {}
        for cells, (name, dtype) in zip(numbers.T, self.dtypes.items(), strict=True):
            if name in self.categories:
                values = np.empty(len(self.categories[name]), object)
                values[:] = self.categories[name]
                found[name] = pd.Series(values[cells.astype(int)]).astype(dtype)
            else:
                cells = np.rint(cells) if types.is_integer_dtype(dtype) else cells
                found[name] = pd.Series(cells).astype(dtype)
        return pd.DataFrame(found)


def _values(name, column):
    if types.is_bool_dtype(column):
        return [False, True]
    known = isinstance(column.dtype, pd.CategoricalDtype) or types.is_string_dtype(column)
    known = known or types.is_object_dtype(column)
    expected = f"Column {name!r} of `X` must hold numbers, booleans, strings or categories"
    checks.require(known, expected, f"dtype {column.dtype}")
    return pd.Categorical(column).categories


def _in_order(name, values, said):
    by_name = {str(value): value for value in values}
    valid = isinstance(said, (list, tuple)) and set(by_name) <= set(said)
    listed = said if isinstance(said, (list, tuple)) else "numbers"
    expected = f"Column {name!r} of `X` must hold what `likelihood` says of it, {listed}"
    checks.require(valid, expected, f"categories {list(by_name)}")
    return [by_name.get(category, category) for category in said]
