"""A column with the same value in every row."""

from __future__ import annotations

import dataclasses

import numpy as np

from keras_cvae.tables.columns.base import plain


@dataclasses.dataclass(frozen=True)
class Constant:
    """A column with the same value in every row, or none: written back, not learned.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        value: The value of all cells; None if every cell is missing.
    """

    name: str
    dtype: str
    value: object

    kind = "constant"
    is_learned = False

    @classmethod
    def of(cls, series, distinct) -> Constant:
        """Makes the column from its cells, of which at most one is different."""
        return cls(series.name, str(series.dtype), *[*map(plain, distinct)] or [None])

    def as_config(self) -> dict:
        """Returns settings for JSON, from which `columns.from_config` makes the same column."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    def write(self, cells: np.ndarray) -> list:
        """Returns the value, once for each cell."""
        return [self.value] * len(cells)
