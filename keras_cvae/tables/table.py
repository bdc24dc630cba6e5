"""The columns of a table and their kinds, and the conversion of rows to arrays and back."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import conditions as all_conditions
from keras_cvae.checks import ArgumentError, ArgumentErrors, nearest, require
from keras_cvae.names import inputs_named_as
from keras_cvae.tables import columns as kinds_of_columns
from keras_cvae.tables import selection
from keras_cvae.tables.autoregressive import AutoregressiveColumns
from keras_cvae.tables.files import check_names
from keras_cvae.tables.likelihood import Columns
from keras_cvae.tables.missing import patterns_of

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST_ROWS = 10
ALLOW_MISSING = ("float", "Float", "Int", "UInt", "datetime64", "object", "str")


@dataclasses.dataclass(frozen=True)
class Table:
    """The columns of a table and their kinds, decided once from data and saved with the model.

    Attributes:
        columns: The columns, objects of `tables.columns`, in the order of the table.
        conditions: Names of the columns that are conditions; the model learns the others.
        inputs: Names of the model's inputs for the conditions, in the same order; empty if they are
            those of the columns.
        missing: The patterns of missing cells and their shares, as for `Columns`.
    """

    columns: tuple
    conditions: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    missing: tuple = ()

    @classmethod
    def of(
        cls,
        frame: DataFrame,
        conditions: Sequence[str] = (),
        kinds: Mapping[str, str] | None = None,
    ) -> Table:
        """Decides the kinds of the columns of a DataFrame.

        - Texts, booleans, pandas categories and whole numbers of at most ten different values are
          categories. The 200 most frequent are kept, and `other` replaces the rest, with a warning.
        - Whole numbers of at least 0 are counts, if they vary at least as much as counts, have a
          tail, and have no frequent round values.
        - Other numbers are numeric, and so are more than ten different texts of amounts, such as
          $3.00, 12% or 1,234.
        - Dates of pandas, or texts such as 2026-01-31T14:05:00+02:00 or 31.01.2026, are days since
          the first. If all texts are as 05/06/2026, the day is read first, with a warning.
        - Timedeltas are seconds.
        - A constant or empty column is not learned, with a warning, and is written unchanged.

        Args:
            frame: The table; missing cells are NaN or None.
            conditions: Names of the columns that become conditions, or a single name; the model
                learns the others.
            kinds: Dict from names of columns to their kinds, where you want another kind than the
                above: `"date"`, `"month_first"` (a date such as 05/31/2026),
                `"duration"`, `"amount"`, `"count"`, `"numeric"`, `"categorical"`, or `"ignore"` to
                leave the column out.

        Raises:
            ValueError: If columns have no kind, such as those of identifiers, or a name in the
                arguments is not that of a column; the message has a line for each.
        """
        names, kinds = list(frame.columns), dict(kinds or {})
        conditions = [conditions] if isinstance(conditions, str) else conditions
        check_names(names, "the table")
        require(
            len(frame) >= FEWEST_ROWS, None, f"A table must have {FEWEST_ROWS} rows", len(frame)
        )
        columns, errors = [], []
        for argument, columns_named in ("kinds", kinds), ("conditions", conditions):
            errors += [
                _unknown(argument, name, names) for name in columns_named if name not in names
            ]
        for name in names:
            if kinds.get(name) == "ignore":
                continue
            try:
                columns.append(kinds_of_columns.decide(frame[name], kinds.get(name)))
            except ArgumentError as error:
                errors.append(error)
        if errors:
            raise ArgumentErrors(errors)
        _check_conditions(columns, conditions)
        constant = [column.name for column in columns if not column.is_learned]
        if constant:
            listed = ", ".join(map(repr, constant))
            message = (
                f"Not learned, but written back, as their value is the same in every row: {listed}"
            )
            warnings.warn(message, stacklevel=2)
        learned = [c.name for c in columns if c.is_learned and c.name not in conditions]
        inputs, missing = inputs_named_as(conditions), patterns_of(frame[learned].isna())
        return cls(tuple(columns), tuple(conditions), tuple(inputs), missing)

    @property
    def learned(self) -> list:
        """The columns that the model learns, in the order of x."""
        return [c for c in self.columns if c.is_learned and c.name not in self.conditions]

    @property
    def condition_columns(self) -> list:
        """The columns that are conditions, in the order of `conditions`."""
        by_name = {column.name: column for column in self.columns}
        return [by_name[name] for name in self.conditions]

    def likelihood(self, autoregressive: bool = False) -> Columns | AutoregressiveColumns:
        """Returns a likelihood of the learned columns, which stores the config of this table.

        Args:
            autoregressive: Whether the cells of a row also depend on each other given z:
                `AutoregressiveColumns`, which needs about a thousand rows, else `Columns`.
        """
        specs = {column.name: column.spec for column in self.learned}
        kind = AutoregressiveColumns if autoregressive else Columns
        return kind(specs, table=self.as_config(), missing=self.missing)

    def condition(self, dropout: float = 0.0) -> all_conditions.Attributes | None:
        """Returns a condition of all condition columns, or None without conditions.

        Args:
            dropout: Rate at which training hides each column, independently of the others.
        """
        if not self.conditions:
            return None
        parts = {name: column.condition(dropout) for name, column in self.by_input()}
        return all_conditions.Attributes(**parts)

    def arrays(self, frame: DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray] | None]:
        """Converts rows to the inputs of the model.

        Args:
            frame: Rows with the columns of the table, in any order.

        Returns:
            `(x, y)`: an array of shape `(rows, columns)`, as for `Columns`, and a dict of the
            conditions by name, or None without conditions.

        Raises:
            ValueError: If columns are missing, or contain cells that are not of their kind.
        """
        needed = [column.name for column in (*self.learned, *self.condition_columns)]
        missing = [name for name in needed if name not in frame.columns]
        expected = f"The rows must have the columns {', '.join(map(repr, needed))}"
        require(not missing, None, expected, f"none called {', '.join(map(repr, missing))}")
        x = np.stack([column.read(frame[column.name]) for column in self.learned], axis=1)
        return x, self.to_inputs(self.condition_cells(frame))

    def condition_cells(self, frame: DataFrame) -> dict[str, np.ndarray]:
        """Returns the cells of the conditions as numbers, by the names of columns."""
        return {column.name: column.read(frame[column.name]) for column in self.condition_columns}

    def condition_cells_of_texts(self, frame: DataFrame) -> dict[str, np.ndarray]:
        """Returns the cells of the conditions as numbers, from rows whose cells are all texts."""
        return {c.name: c.read_texts(frame[c.name]) for c in self.condition_columns}

    def cells(self, frame: DataFrame, names: Sequence[str]) -> dict[str, np.ndarray]:
        """Returns the cells of some columns as numbers, by their names."""
        return {c.name: c.read(frame[c.name]) for c in self.columns if c.name in names}

    def to_inputs(self, cells: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """Converts cells of the conditions to inputs of the model; None without conditions."""
        inputs = {name: c.to_input(np.asarray(cells[c.name])) for name, c in self.by_input()}
        return inputs or None

    def from_inputs(self, y: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray] | None:
        """Converts inputs of the model to cells of the conditions: the inverse of `to_inputs`."""
        if y is None:
            return None
        return {column.name: column.from_input(y[name]) for name, column in self.by_input()}

    def frame(self, x: np.ndarray, cells: Mapping[str, np.ndarray] | None = None) -> DataFrame:
        """Converts arrays to rows in the original columns, order, types and units.

        Args:
            x: Array of shape `(rows, columns)`, as `Columns` samples it.
            cells: Cells of the conditions, of shape `(rows,)`, by the names of columns.
        """
        learned = dict(zip((column.name for column in self.learned), x.T, strict=True))
        return _frame(self.columns, {**learned, **(cells or {})}, len(x))

    def round_samples(self, x: np.ndarray) -> np.ndarray:
        """Rounds the same share of sampled numbers as of the data.

        Args:
            x: Array of shape `(rows, columns)`, as `Columns` samples it.

        Returns:
            Array of the same shape.
        """
        columns = zip(self.learned, x.T, strict=True)
        return np.stack([column.round_samples(cells) for column, cells in columns], axis=1)

    def condition_frame(self, cells: Mapping[str, np.ndarray]) -> DataFrame:
        """Converts the cells of the conditions to rows of these columns alone."""
        return _frame(self.condition_columns, cells, len(next(iter(cells.values()))))

    def parse(self, where: str | Mapping[str, object]) -> dict[str, tuple[float, float]]:
        """Parses requested values of columns, such as `"sex=F,age=30..40"`.

        Args:
            where: Names and values, separated by commas, or a dict of them. A range of numbers or
                dates has two dots, and may be open, as `30..`. A name or value that contains a
                comma or = must be in double quotes.

        Returns:
            Dict from names to the least and the greatest number of a cell, equal for a value.

        Raises:
            ValueError: If a name is not that of a column, or a value is not valid for its column.
        """
        pairs = selection.split(where) if isinstance(where, str) else [*where.items()]
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        require(not twice, "where", "must name each column once", f"{', '.join(twice)} twice")
        known = {column.name: column for column in self.columns if column.is_learned}
        columns = [_look_up("where", name, known) for name in names]
        texts = [str(value) for _, value in pairs]
        return {c.name: c.parse_range(text) for c, text in zip(columns, texts, strict=True)}

    def as_config(self) -> dict:
        """Returns a dict for JSON, from which `from_config` recreates the table."""
        return {
            "columns": [column.as_config() for column in self.columns],
            "conditions": list(self.conditions),
            "inputs": list(self.inputs),
            "missing": [[share, list(names)] for share, names in self.missing],
        }

    @classmethod
    def from_config(cls, config: dict) -> Table:
        """Creates a table from the dict of `as_config`."""
        columns = tuple(map(kinds_of_columns.from_config, config["columns"]))
        missing = tuple((share, tuple(names)) for share, names in config.get("missing", ()))
        conditions, inputs = tuple(config["conditions"]), tuple(config.get("inputs", ()))
        return cls(columns, conditions, inputs, missing)

    def by_input(self) -> Iterator[tuple]:
        """Returns pairs of the name of an input of the model and the column that it is for."""
        return zip(self.inputs or self.conditions, self.condition_columns, strict=True)


def _check_conditions(columns, conditions):
    learned = {column.name: column for column in columns if column.is_learned}
    for name in conditions:
        column = _look_up("conditions", name, learned)
        expected, received = "must name columns of two values or more", f"{name!r}, of one value"
        require(column.levels != 1, "conditions", expected, f"{received} and missing cells")
    expected = "must leave a column to be learned, and name none twice"
    distinct = len({*conditions}) == len(conditions) < len(learned)
    require(distinct, "conditions", expected, f"{list(conditions)} of {list(learned)}")


def _look_up(argument, name, columns):
    """Returns the column of that name among those that vary."""
    if name not in columns:
        raise _unknown(argument, name, columns)
    return columns[name]


def _unknown(argument, name, names):
    expected = f"must name columns, of {', '.join(map(repr, names))}{nearest(name, names)}"
    return ArgumentError(argument, expected, repr(name))


def _frame(columns, cells, count):
    import pandas

    series = {}
    for column in columns:
        written = column.write(np.asarray(cells.get(column.name, np.empty(count))))
        values = pandas.Series(written)
        is_nullable = column.is_learned and values.isna().any()
        is_nullable = is_nullable and not column.dtype.startswith(ALLOW_MISSING)
        series[column.name] = (
            values.convert_dtypes() if is_nullable else values.astype(column.dtype)
        )
    return pandas.DataFrame(series)
