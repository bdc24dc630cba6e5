"""Runs of tables: rows of numbers, categories and counts."""

from __future__ import annotations

import functools
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import checks, datasets, evaluation, noise, tables
from keras_cvae.checks import explain
from keras_cvae.conditions import HIDDEN
from keras_cvae.data import splitting
from keras_cvae.runs import table_pictures, table_report
from keras_cvae.runs.choosing import AUTO
from keras_cvae.runs.making import absolute, folder_for, make
from keras_cvae.runs.reading import Run
from keras_cvae.tables import Table, selection
from keras_cvae.tables.files import SUFFIXES, read_texts

if TYPE_CHECKING:
    from pandas import DataFrame

KEPT = "conditions.csv"
MOST_KEPT = 5000  # rows of conditions that are saved
MOST_COMPARED = 5000  # test rows compared with as many generated rows
MOST_RANKED, RANKED_AMONG = 500, 40  # test rows, and generated rows for each of them
LEVEL = 0.9  # of intervals
FEWEST_DEPENDENT = 1000  # rows from which dependences between cells can be learned


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
    """Trains a model of the rows of a table; writes it, its measures and its pictures to a folder.

    Args:
        data: Path of a .csv, .tsv or .parquet file.
        out: The folder; by default `runs/` and the name of the file.
        force: Whether to replace an existing run.
        conditions: As for `tables.Table.of`.
        kinds: As for `tables.Table.of`.
        dropout: The probability that training hides a condition, in [0, 1].
        test_fraction: Share of the rows for testing.
        encoding: As for `tables.read`.
        na_values: As for `tables.read`.
        **options: As for `make`.

    Returns:
        The run.

    Raises:
        ValueError: As for `runs.train`; or if the file is not a table that can be learned, before
            anything is written.

    Example:
    ```python
    run = runs.train_table("patients.csv", conditions=["sex", "age"])
    rows = run.generate({"sex": "F", "age": 40}, count=1000)    # a DataFrame
    ```
    """
    expected = "must be left out for a table, each column of which has its own"
    checks.require(options.pop("likelihood", AUTO) == AUTO, "likelihood", expected, "another")
    folder = folder_for(data, out, force)
    frame = tables.read(data, encoding, na_values)
    table = Table.of(frame, conditions, kinds)
    dataset = _dataset(table, frame, test_fraction)
    condition = table.condition(checks.number("dropout", dropout, least=0, most=1))
    source = {"name": absolute(data), "test_fraction": test_fraction}
    source |= {"encoding": encoding, "na_values": [*na_values]}
    options["likelihood"] = table.likelihood(autoregressive=len(frame) >= FEWEST_DEPENDENT)
    reading = datasets.Reading(dataset)
    return make(TableRun, folder, reading, condition, source, force=force, **options)


class TableRun(Run):
    """A run of a table.

    Attributes:
        table: The columns and their kinds, saved with the model.
    """

    example = "row"
    pictures = table_pictures.PICTURES
    kinds = table_pictures.KINDS
    files = (KEPT,)
    suffixes = SUFFIXES
    settings = ("test_fraction",)

    @classmethod
    def takes(cls, data: str | os.PathLike) -> bool:
        return tables.is_table(data)

    @functools.cached_property
    def table(self) -> Table:
        """The columns and their kinds."""
        expected = f"The model of '{self.folder}' must be a model of a table, made by `train`"
        with explain(None, expected, (AttributeError, KeyError, TypeError)):
            return Table.from_config(self.model.likelihood.table)

    @property
    def levels(self) -> list[int | None]:
        """The number of categories of each column of x, None for numbers."""
        return [column.levels for column in self.table.learned]

    def summary(self) -> str:
        names = ", ".join(self.table.conditions) or "none"
        columns = [f"{column.name} {column.summary}" for column in self.table.learned]
        counts = f"{self._counts()} of {len(columns)} columns, conditions: {names}"
        return f"{counts}\nColumns: {', '.join(columns)}"

    def measures(self, dataset: datasets.Dataset, seed: int = 0) -> Iterator[evaluation.Measure]:
        """Yields measures of the similarity of generated rows and test rows."""
        count = min(len(dataset.x_test), len(dataset.x_train), MOST_COMPARED)
        real, y = dataset.x_test[:count], splitting.take(dataset.y_test, slice(count))
        generated = self._generated(y, count, seed)
        others = dataset.x_train[:count]
        yield from evaluation.likeness(real, generated, others, self.levels, seed=seed)
        numbers = [count is None for count in self.levels]
        if self.table.conditions and any(numbers):
            real, y = (splitting.take(part, slice(MOST_RANKED)) for part in (real, y))
            seeds = np.random.default_rng(seed).integers(2**31, size=RANKED_AMONG)
            generated = np.stack([self._generated(y, len(real), int(each)) for each in seeds])
            ranks = evaluation.ranks(real, generated, seed)[:, numbers]
            shares = [share.value for share in evaluation.coverage(ranks, LEVEL)]
            yield evaluation.Measure(
                "coverage",
                float(np.nanmean(shares)),
                None,
                "share",
                f"of test cells in {LEVEL:.0%} intervals of cells generated for their conditions, "
                "mean over columns of numbers",
                LEVEL,
            )

    def keep(self, y_train) -> None:
        """Saves the conditions of at most 5,000 training rows, which `generate` samples from.

        They include missing cells, so that these are as frequent in generated rows.
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
        """Generates rows in the original columns, order, types and units.

        Conditions that are not in `where` are copied from training rows that match it, including
        missing cells. If few rows match, the nearest rows are used too, with a warning. If `where`
        has columns that are not conditions, rows are generated until `count` rows match, but at
        most 200,000.

        Args:
            where: Values or ranges of columns, such as `"sex=F,age=30..40"`, or a dict by name, as
                for `tables.Table.parse`.
            count: Number of rows.
            temperature: Scales the spread of z.
            seed: Seed of the samples; by default as for `CVAE.generate`.

        Returns:
            A DataFrame of `count` rows, or of fewer, with a warning, if no more match.

        Raises:
            ValueError: If a name in `where` is not a column, a column cannot have the value, or no
                generated row matches.
        """
        count = checks.integer("count", count, least=1)
        ranges = self.table.parse(where)
        seed = noise.seed_or_next(seed)
        others = {name: ends for name, ends in ranges.items() if name not in self.table.conditions}
        if not others:
            return self._rows(ranges, count, temperature, seed)
        for name in others:
            ranges.pop(name)
        rows, generated = selection.generate_until(
            lambda size, seed: self._rows(ranges, size, temperature, seed),
            lambda rows: selection.matches(self.table.cells(rows, [*others]), others),
            count,
            seed,
        )
        names = ", ".join(others)
        advice = f"name {names} in --condition when training, or ask for a wider range"
        expected = f"must allow values of {names} that generated rows have; {advice}"
        received = f"{where!r}, which none of {generated} generated rows matches"
        checks.require(len(rows), "where", expected, received)
        if len(rows) < count:
            message = f"Only {len(rows)} of {generated} generated rows match, not {count}; {advice}"
            warnings.warn(message, stacklevel=2)
        return rows

    def _rows(self, ranges, count, temperature, seed):
        """Generates rows whose conditions are in the ranges."""
        cells = self._conditions(ranges, count, seed) if self.table.conditions else None
        x = self.model.generate(
            cells and self.table.to_inputs(cells),
            count=count,
            temperature=temperature,
            pixels="sample",
            seed=seed,
        )
        return self.table.frame(self.table.round_samples(x), cells)

    def reconstruct(
        self, data: str | None = None, count: int | None = None
    ) -> tuple[DataFrame, DataFrame]:
        """Reconstructs test rows.

        A reconstructed number is the mean, a category the most probable one. Missing cells are
        imputed.

        Args:
            data: Path of other data than it was trained on.
            count: The number of rows; by default all.

        Returns:
            `(real, reconstructed)`, two DataFrames.
        """
        x, y, _ = self.test_images(data, count)
        cells = self.table.from_inputs(y)
        decoded = self.model.reconstruct(x, y)
        return self.table.frame(x, cells), self.table.frame(decoded, cells)

    def generate_for_test_rows(
        self, count: int, seed: int = 0, data: str | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns test rows, and rows generated for their conditions.

        Args:
            count: The largest number of rows.
            seed: Seed of the generated rows.
            data: Path of other data than it was trained on.

        Returns:
            `(x, generated)`, arrays of shape `(rows, columns)`.
        """
        x, y, _ = self.test_images(data, count)
        return x, self._generated(y, len(x), seed)

    def _generated(self, y, count, seed):
        """Generates rows, rounded and within bounds as in a file, as an array."""
        samples = self.model.generate(y, count=count, pixels="sample", seed=seed)
        rows = self.table.frame(self.table.round_samples(samples), self.table.from_inputs(y))
        return self.table.arrays(rows)[0]

    def test_images(self, data=None, count=None) -> tuple:
        dataset = self.dataset_of(data)
        return dataset.x_test[:count], splitting.take(dataset.y_test, slice(count)), ()

    def remarks(self) -> Iterator[str]:
        return table_report.remarks(self)

    def sections(self) -> Iterator:
        return table_report.sections(self)

    def _load(self, name):
        source = self.config["data"]
        options = {key: source[key] for key in ("encoding", "na_values") if key in source}
        return _dataset(self.table, tables.read(name, **options), source["test_fraction"])

    def _conditions(self, ranges, count, seed):
        """Samples cells of the conditions, by name, within the ranges."""
        path, columns = self.folder / KEPT, self.table.condition_columns
        with explain(None, f"'{path}' must contain the conditions that `train` keeps"):
            kept = self.table.condition_cells_of_texts(read_texts(path))
        return selection.conditions_like(kept, columns, ranges, count, seed)


def _dataset(table, frame, test_fraction):
    """Returns the rows of a table, split at random."""
    x, y = table.arrays(frame)
    checks.number("test_fraction", test_fraction, above=0, below=1)
    with explain(None, "The table has too few rows to be split", ValueError):
        (x_train, y_train), (x_test, y_test) = splitting.split(x, y, test_fraction, seed=0)
    return datasets.Dataset(x_train, y_train, x_test, y_test, ())
