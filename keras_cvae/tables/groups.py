"""Groups of columns that share one computation, side by side in a tensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from keras_cvae.checks import require
from keras_cvae.tables import columns as kinds
from keras_cvae.tables.columns import Column


class Group(NamedTuple):
    """Columns of the same model and size.

    Attributes:
        column: The first of them, whose tensor methods serve all.
        places: Their indices in x.
    """

    column: Column
    places: list[int]

    @property
    def size(self) -> int:
        """The number of outputs of the decoder for them."""
        return self.column.size * len(self.places)

    @property
    def encoded_size(self) -> int:
        """The number of inputs of the encoder for them."""
        return self.column.encoded_size * len(self.places)


def groups_of(columns: list[Column]) -> list[Group]:
    """Groups columns: numbers first, then categories, from few to many levels.

    The decoder's outputs have this order, on which saved models rely.
    """
    order = [*reversed(kinds.NAMES)]
    groups: dict = {}
    for place, column in enumerate(columns):
        key = column.levels or 0, order.index(column.model), column.size
        groups.setdefault(key, Group(column, [])).places.append(place)
    return [groups[key] for key in sorted(groups)]


def columns_of(specs: Mapping[str, str | list[str]]) -> list[Column]:
    """Creates the columns that are described by a dict for `tables.Columns`.

    Raises:
        ValueError: If `specs` is not such a dict.
    """
    expected = "must be a dict of the names of columns, at least one"
    named = isinstance(specs, Mapping) and specs
    named = named and all(isinstance(name, str) and name for name in specs)
    received = list(specs) if isinstance(specs, Mapping) else type(specs).__name__
    require(named, "columns", expected, received)
    return [kinds.from_spec(name, spec) for name, spec in specs.items()]
