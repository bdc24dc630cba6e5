"""Runs of tables: rows of numbers, categories and counts."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import checks, datasets, evaluation, noise, tables
from keras_cvae.checks import explain
from keras_cvae.conditions import HIDDEN
from keras_cvae.data import splitting
from keras_cvae.runs import table_pictures
from keras_cvae.runs.choosing import AUTO
from keras_cvae.runs.making import absolute, folder_for, make
from keras_cvae.runs.reading import Run
from keras_cvae.tables import Table, asking
from keras_cvae.tables.files import SUFFIXES, read_texts

if TYPE_CHECKING:
    from pandas import DataFrame

KEPT = "conditions.csv"
MOST_KEPT = 5000  # rows of conditions
MOST_TRIED = 200_000  # rows that are generated for those as asked
MOST_AT_ONCE = 20_000
MOST_COMPARED = 5000  # rows, with as many generated


def train_table(
    data: str | os.PathLike,
    out: str | os.PathLike | None = None,
    *,
    force: bool = False,
    conditions: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    dropout: float = HIDDEN,
    test_fraction: float = 0.2,
    encoding: str = "utf-8",
    na_values: Sequence[str] = (),
    **options,
) -> TableRun:
    """Trains a model of the rows of a table; leaves it, its numbers and its pictures in a folder.

    Args:
        data: Path of a .csv or .parquet file.
        out: The folder; by default `runs/` and the name of the file.
        force: Whether a run that is there already is replaced.
        conditions: As for `tables.Table.of`.
        kinds: As for `tables.Table.of`.
        dropout: How often training hides a condition, each by itself, in [0, 1].
        test_fraction: Share of the rows to test with.
        encoding: As for `tables.read`.
        na_values: As for `tables.read`.
        **options: As for `make`.

    Returns:
        The run.

    Raises:
        ValueError: As for `runs.train`; or if the table is none, before anything is written.

    Example:
    ```python
    run = runs.train_table("patients.csv", conditions=["sex", "age"])
    rows = run.generate({"sex": "F", "age": 40}, count=1000)    # a DataFrame
    ```
    """
    expected = "must be left out of a table, each column of which has its own"
    checks.require(options.pop("likelihood", AUTO) == AUTO, "likelihood", expected, "another")
    folder = folder_for(data, out, force)
    frame = tables.read(data, encoding, na_values)
    table = Table.of(frame, conditions, kinds)
    dataset = _dataset(table, frame, test_fraction)
    given = table.condition(checks.number("dropout", dropout, least=0, most=1))
    source = {"name": absolute(data), "test_fraction": test_fraction}
    source |= {"encoding": encoding, "na_values": [*na_values]}
    options["likelihood"] = table.likelihood()
    reading = datasets.Reading(dataset)
    return make(TableRun, folder, reading, given, source, force=force, **options)


class TableRun(Run):
    """A run of a table.

    Attributes:
        table: What the columns are, as the model keeps it.
    """

    example = "row"
    pictures = table_pictures.PICTURES
    kinds = table_pictures.KINDS
    files = (KEPT,)
    suffixes = SUFFIXES
    settings = ("test_fraction",)

    @classmethod
    def takes(cls, data):
        return tables.is_table(data)

    @functools.cached_property
    def table(self) -> Table:
        """What the columns are."""
        expected = f"The model of '{self.folder}' must be one of a table that `train` has made"
        with explain(None, expected, (AttributeError, KeyError, TypeError)):
            return Table.from_config(self.model.likelihood.table)

    @property
    def levels(self) -> list[int | None]:
        """By column of x how many categories it has, None for numbers."""
        return [column.levels for column in self.table.learned]

    def summary(self):
        names = ", ".join(self.table.conditions) or "none"
        columns = [f"{column.name} {column.summary}" for column in self.table.learned]
        counts = f"{self._counts()} of {len(columns)} columns, conditions: {names}"
        return f"{counts}\nColumns: {', '.join(columns)}"

    def measures(self, dataset, seed=0):
        """How like real rows the generated ones are, beside training rows of the same number."""
        count = min(len(dataset.x_test), len(dataset.x_train), MOST_COMPARED)
        real, y = dataset.x_test[:count], splitting.take(dataset.y_test, slice(count))
        drawn = self._generated(y, count, seed)
        return evaluation.likeness(real, drawn, dataset.x_train[:count], self.levels, seed=seed)

    def keep(self, y_train):
        """Keeps the conditions of at most 5,000 training rows, from which `generate` takes them.

        Missing cells are kept too, so that generated rows have them at the same rate.
        """
        if y_train is None:
            return
        cells = self.table.from_inputs(y_train)
        count = len(next(iter(cells.values())))
        rows = np.random.default_rng(0).permutation(count)[:MOST_KEPT]
        kept = self.table.condition_frame(splitting.take(cells, rows))
        tables.write(kept, self.folder / KEPT)

    def generate(
        self,
        where: str | Mapping[str, object] = "",
        count: int = 1,
        *,
        temperature: float = 1.0,
        seed: int | None = None,
    ) -> DataFrame:
        """Draws rows in the original columns, order, types and units.

        Conditions that `where` leaves open are taken together from training rows that are as asked,
        and where these are few from those nearest to them too, with a warning where they are very
        few. What it asks of other columns is a choice among generated rows: at most 200,000 are
        generated to find as many as `count`.

        Args:
            where: What columns are to hold, such as `"sex=F,age=30..40"` or a dict by name, as for
                `tables.Table.parse`.
            count: How many rows.
            temperature: Scales the spread of z.
            seed: Seed of all that is sampled; by default as for `CVAE.generate`.

        Returns:
            A DataFrame of `count` rows; of fewer, with a warning, where no more were as asked.

        Raises:
            ValueError: If `where` names no column or asks for what it cannot hold, or if no
                generated row is as asked.
        """
        import pandas

        count = checks.integer("count", count, least=1)
        asked = self.table.parse(where)
        seed = noise.seed_or_next(seed)
        others = {name: ends for name, ends in asked.items() if name not in self.table.conditions}
        if not others:
            return self._rows(asked, count, temperature, seed)
        for name in others:
            asked.pop(name)
        frames, kept, tried = [], 0, 0
        seeds = np.random.default_rng(seed)
        while kept < count and tried < MOST_TRIED:
            wanted = (count - kept) * 1.2 * tried / kept if kept else 10 * max(count, tried)
            size = int(min(max(wanted, 1000), MOST_AT_ONCE, MOST_TRIED - tried))
            rows = self._rows(asked, size, temperature, int(seeds.integers(2**31)))
            rows = rows[asking.matches(self.table.cells(rows, [*others]), others)]
            frames.append(rows)
            kept, tried = kept + len(rows), tried + size
        names = ", ".join(others)
        advice = f"name {names} in --condition when training, or ask for a wider range"
        expected = f"must ask for what generated rows hold of {names}; {advice}"
        checks.require(
            kept, "where", expected, f"{where!r}, which none of {tried} generated rows is"
        )
        if kept < count:
            message = f"Only {kept} of {tried} generated rows are as asked, not {count}; {advice}"
            warnings.warn(message, stacklevel=2)
        return pandas.concat(frames, ignore_index=True)[:count]

    def _rows(self, asked, count, temperature, seed):
        """Rows of which conditions are as asked."""
        cells = self._conditions(asked, count, seed) if self.table.conditions else None
        x = self.model.generate(
            cells and self.table.to_inputs(cells),
            count=count,
            temperature=temperature,
            pixels="sample",
            seed=seed,
        )
        return self.table.frame(self.table.settle(x), cells)

    def reconstruct(self, data: str | None = None, count: int | None = None):
        """Test rows and what becomes of them: `(real, reconstructed)`, DataFrames.

        Reconstructed are the mean of a number and the most probable category; a cell that was
        missing has been filled in.
        """
        x, y, _ = self.test_images(data, count)
        cells = self.table.from_inputs(y)
        decoded = self.model.reconstruct(x, y)
        return self.table.frame(x, cells), self.table.frame(decoded, cells)

    def real_and_generated(self, count: int, seed: int = 0, data: str | None = None):
        """Test rows, at most `count`, and rows that are drawn for their conditions: arrays x."""
        x, y, _ = self.test_images(data, count)
        return x, self._generated(y, len(x), seed)

    def _generated(self, y, count, seed):
        """Rows as they are written, rounded and in bounds, as an array x."""
        drawn = self.model.generate(y, count=count, pixels="sample", seed=seed)
        rows = self.table.frame(self.table.settle(drawn), self.table.from_inputs(y))
        return self.table.arrays(rows)[0]

    def test_images(self, data=None, count=None):
        dataset = self.dataset_of(data)
        return dataset.x_test[:count], splitting.take(dataset.y_test, slice(count)), ()

    def _load(self, name):
        source = self.config["data"]
        options = {key: source[key] for key in ("encoding", "na_values") if key in source}
        return _dataset(self.table, tables.read(name, **options), source["test_fraction"])

    def _conditions(self, asked, count, seed):
        """Cells of the conditions by name, those asked for and others that go with them."""
        path, columns = self.folder / KEPT, self.table.condition_columns
        with explain(None, f"'{path}' must hold the conditions that `train` keeps"):
            kept = self.table.condition_cells_of_texts(read_texts(path))
        return asking.conditions_like(kept, columns, asked, count, seed)


def _dataset(table, frame, test_fraction):
    """The rows of a table, split at random."""
    x, y = table.arrays(frame)
    checks.number("test_fraction", test_fraction, above=0, below=1)
    with explain(None, "The table has too few rows to be split", ValueError):
        (x_train, y_train), (x_test, y_test) = splitting.split(x, y, test_fraction, seed=0)
    return datasets.Dataset(x_train, y_train, x_test, y_test, ())
