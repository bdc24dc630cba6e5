"""Tables: what their columns are, decided once, so that rows become arrays and arrays rows again.

A `Table` describes the columns of a DataFrame in their order: numbers, with how many decimals they
are written and between what bounds, categories, and what is constant. It is saved with the model.
"""

from __future__ import annotations

import csv
import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import conditions, graph
from keras_cvae.checks import look_up, require
from keras_cvae.data.deciding import KINDS, column_of
from keras_cvae.data.table_columns import Categories, Constant, Dates, Numbers
from keras_cvae.data.table_files import check_names
from keras_cvae.likelihoods.columns import Columns

if TYPE_CHECKING:
    from pandas import DataFrame

FEWEST_ROWS = 10
HOLD_MISSING = ("float", "Float", "Int", "UInt", "datetime64", "object", "str")
MOST_PATTERNS = 64  # of missing cells, the most frequent
KERAS = ("self", "name", "trainable", "dtype")  # arguments of a layer
OF_CONFIG = {kind.__name__: kind for kind in (Numbers, Dates, Categories, Constant)}


@dataclasses.dataclass(frozen=True)
class Table:
    """What the columns of a table are.

    Attributes:
        columns: `Numbers`, `Dates`, `Categories` and `Constant`s, in the order of the table.
        conditions: Names of the columns that are given, not learned.
        inputs: What the model's inputs of these are called, in the same order; as the
            columns where it is empty.
        missing: Which cells are missing together, as `likelihoods.Columns` takes it.
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
        """Decides what the columns of a DataFrame are.

        Texts, booleans, pandas categories and whole numbers of at most ten different values are
        categories. Whole numbers from 0 on that vary at least as much as counts do are counts.
        Other numbers are numeric, and so are dates, of pandas or more than ten different texts as
        2026-01-31, with a time or without, or 31.01.2026: days since the first. A column that is
        constant or empty is not learned, with a warning, and written back as it is.

        Args:
            frame: The table; what is missing is NaN or None.
            conditions: Names of the columns that are to be conditions, or a single name.
            kinds: By name what a column is, where that is to be another than was decided:
                `"numeric"`, `"categorical"`, `"count"`, or `"ignore"` to leave it out.

        Raises:
            ValueError: If a column is none of these, such as one of identifiers, or
                the arguments name no column.
        """
        names, kinds = list(frame.columns), dict(kinds or {})
        conditions = [conditions] if isinstance(conditions, str) else conditions
        check_names(names, "the table")
        require(len(frame) >= FEWEST_ROWS, f"A table must have {FEWEST_ROWS} rows", len(frame))
        for name, kind in kinds.items():
            look_up("columns", name, dict.fromkeys(names))
            look_up(f"columns[{name!r}]", kind, dict.fromkeys(KINDS))
        kept = [name for name in names if kinds.get(name) != "ignore"]
        found, complaints = [], []
        for name in kept:
            try:
                found.append(column_of(frame[name], kinds.get(name)))
            except ValueError as error:
                complaints.append(str(error))
        if complaints:  # of all columns at once
            raise ValueError("\n".join(complaints))
        learned = {column.name: None for column in found if column.learned}
        alone = [c.name for c in found if isinstance(c, Categories) and len(c.categories) < 2]
        for name in conditions:
            look_up("condition", name, learned)
            expected = "`condition` must name columns of two values or more"
            require(name not in alone, expected, f"{name!r}, of one value and missing cells")
        expected = "`condition` must leave a column to be learned, and name none twice"
        distinct = len({*conditions}) == len(conditions) < len(learned)
        require(distinct, expected, f"{list(conditions)} of {list(learned)}")
        constant = [column.name for column in found if not column.learned]
        if constant:
            same = ", ".join(map(repr, constant))
            message = f"The same in every row, so written back and not learned: {same}"
            warnings.warn(message, stacklevel=2)
        names = [name for name in learned if name not in conditions]
        inputs = tuple(input_names(conditions))
        return cls(tuple(found), tuple(conditions), inputs, missing_in(frame[names]))

    @property
    def learned(self) -> list:
        """The columns of x, in their order."""
        return [c for c in self.columns if c.learned and c.name not in self.conditions]

    @property
    def given(self) -> list:
        """The columns that are conditions, in the order in which they were named."""
        by_name = {column.name: column for column in self.columns}
        return [by_name[name] for name in self.conditions]

    def likelihood(self) -> Columns:
        """The likelihood of the columns that are learned; it keeps this description."""
        said = {column.name: column.said for column in self.learned}
        return Columns(said, table=self.as_config(), missing=self.missing)

    def condition(self, dropout: float = 0.0) -> conditions.Attributes | None:
        """A condition of the columns that are given, each hidden in training by itself."""
        if not self.conditions:
            return None
        parts = [column.condition(dropout) for column in self.given]
        return conditions.Attributes(
            **dict(zip(self.inputs or self.conditions, parts, strict=True))
        )

    def arrays(self, frame: DataFrame) -> tuple[np.ndarray, dict[str, np.ndarray] | None]:
        """Turns rows into what the model takes.

        Args:
            frame: Rows with the columns of the table, in any order.

        Returns:
            `(x, y)`: an array of shape `(rows, columns)`, as `Columns` takes it, and a dict by name
            of what the conditions are, or None without any.

        Raises:
            ValueError: If columns are missing or hold what the table does not.
        """
        needed = [column.name for column in (*self.learned, *self.given)]
        missing = [name for name in needed if name not in frame.columns]
        expected = f"The rows must have the columns {', '.join(map(repr, needed))}"
        require(not missing, expected, f"none called {', '.join(map(repr, missing))}")
        x = np.stack([column.cells(frame[column.name]) for column in self.learned], axis=1)
        return x, self.values(self.cells_of(frame))

    def cells_of(self, frame: DataFrame) -> dict[str, np.ndarray]:
        """The cells of the conditions of some rows, by name."""
        return {column.name: column.cells(frame[column.name]) for column in self.given}

    def cells(self, values: Mapping[str, np.ndarray] | None) -> dict[str, np.ndarray] | None:
        """Conditions as cells by name, of what the model takes."""
        pairs = zip(self.given, self.inputs or self.conditions, strict=True)
        return values and {c.name: c.cells_of_values(values[name]) for c, name in pairs}

    def values(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray] | None:
        """Conditions as the model takes them, of cells by name; None without any."""
        pairs = zip(self.given, self.inputs or self.conditions, strict=True)
        return {name: c.values(np.asarray(given[c.name])) for c, name in pairs} or None

    def frame(self, x: np.ndarray, given: Mapping[str, np.ndarray] | None = None) -> DataFrame:
        """Turns arrays into rows in the original columns, order, types and units.

        Args:
            x: Array of shape `(rows, columns)`, as `Columns` draws it.
            given: By name the cells of the conditions, of shape `(rows,)`.
        """
        cells = dict(zip((column.name for column in self.learned), x.T, strict=True))
        return self._frame(self.columns, {**cells, **(given or {})}, len(x))

    def frame_of_conditions(self, given: Mapping[str, np.ndarray]) -> DataFrame:
        """Turns the cells of the conditions alone into rows."""
        return self._frame(self.given, given, len(next(iter(given.values()))))

    def _frame(self, columns, cells, count):
        import pandas

        found = {}
        for column in columns:
            written = column.written(np.asarray(cells.get(column.name, np.empty(count))))
            series = pandas.Series(written)
            has_holes = column.learned and series.isna().any()
            has_holes = has_holes and not column.dtype.startswith(HOLD_MISSING)
            kept = series.convert_dtypes() if has_holes else series.astype(column.dtype)
            found[column.name] = kept
        return pandas.DataFrame(found)

    def parse(self, where: str | Mapping[str, object]) -> dict[str, float]:
        """What a user asks of the conditions, such as `"sex=F,age=40"`, as cells by name.

        Args:
            where: Names and what they are, separated by commas; what has a comma in it in double
                quotes. Or a dict of them.

        Raises:
            ValueError: If it names no condition, or gives one what it cannot be.
        """
        if not where:
            return {}
        given = {column.name: column for column in self.given}
        expected = "`where` must be left out of a model without a condition"
        require(given, expected, repr(where))
        if isinstance(where, str):
            pairs = [part.partition("=") for part in next(csv.reader([where]), [])]
            expected = "`where` must be names and what they are, as sex=F,age=40"
            require(all(sign for _, sign, _ in pairs), expected, repr(where))
            names = [name.strip() for name, _, _ in pairs]
            twice = sorted({name for name in names if names.count(name) > 1})
            require(not twice, "`where` must name each column once", f"{', '.join(twice)} twice")
            where = {name.strip(): text.strip() for name, _, text in pairs}
        columns = {name: look_up("where", name, given) for name in where}
        return {name: column.parse(str(where[name])) for name, column in columns.items()}

    def as_config(self) -> dict:
        """What JSON takes, from which `from_config` makes the same."""
        columns = [{"class": type(c).__name__, **dataclasses.asdict(c)} for c in self.columns]
        conditions = {"conditions": list(self.conditions), "inputs": list(self.inputs)}
        missing = [[share, list(names)] for share, names in self.missing]
        return {"columns": columns, **conditions, "missing": missing}

    @classmethod
    def from_config(cls, config: dict) -> Table:
        """The table that `as_config` describes."""
        columns = [
            OF_CONFIG[column["class"]](**{k: v for k, v in column.items() if k != "class"})
            for column in config["columns"]
        ]
        missing = tuple((share, tuple(names)) for share, names in config.get("missing", ()))
        conditions, inputs = tuple(config["conditions"]), tuple(config.get("inputs", ()))
        return cls(tuple(columns), conditions, inputs, missing)


def input_names(names: Sequence[str]) -> list[str]:
    """Names for the inputs of a model: those of columns, changed where a layer cannot have them."""
    found = []
    for name in names:
        safe = name.replace("/", "_")
        safe = f"column_{safe}" if graph.is_reserved(safe) or safe in KERAS else safe
        while safe in found or (safe != name and safe in names):
            safe += "_"
        found.append(safe)
    return found


def missing_in(frame: DataFrame) -> tuple:
    """The patterns of missing cells and their shares of the rows, the most frequent first."""
    holes = frame.isna()
    if not holes.to_numpy().any():
        return ()
    patterns = holes.value_counts(normalize=True).head(MOST_PATTERNS)
    total = float(patterns.sum())
    found = []
    for pattern, share in patterns.items():
        names = tuple(name for name, gone in zip(frame.columns, pattern, strict=True) if gone)
        found.append((float(share) / total, names))
    return tuple(found)
