"""Computations of the page of a run of a table: values of columns in, rows out."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from keras_cvae import latents
from keras_cvae.data import splitting
from keras_cvae.evaluation import neighbours
from keras_cvae.evaluation.rows import as_vectors
from keras_cvae.explore.images import MOST, active_dimensions
from keras_cvae.runs.tables import TableRun

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_COMPARED = 50_000  # training rows among which the nearest are searched


class ColumnControl(NamedTuple):
    """A column to choose a category of, or to set a value or a range of.

    Attributes:
        name: Name of the column.
        is_condition: Whether the model is conditional on it.
        choices: Names of its categories; empty for numbers and dates.
        range: Least and greatest value of the training data, as in `30..40`.
    """

    name: str
    is_condition: bool
    choices: tuple[str, ...] = ()
    range: str = ""


class RowExplorer:
    """Computes what the page of a run of a table shows.

    Args:
        run: A `TableRun`.
    """

    def __init__(self, run: TableRun):
        self.run = run
        self.model = run.model
        self.table = run.table

    @functools.cached_property
    def controls(self) -> list[ColumnControl]:
        """The columns, conditions first."""
        dataset: Any = self.run.dataset
        controls, cells = [], self.table.from_inputs(dataset.y_train) or {}
        learned = {c.name: x for c, x in zip(self.table.learned, dataset.x_train.T, strict=True)}
        for column in (*self.table.condition_columns, *self.table.learned):
            is_condition = column.name in cells
            numbers = cells[column.name] if is_condition else learned[column.name]
            if column.levels is not None:
                texts = {"choices": tuple(map(str, column.names))}
            else:
                ends = np.array([np.nanmin(numbers), np.nanmax(numbers)], "float32")
                texts = {"range": "..".join(map(_text, column.write(ends)))}
            controls.append(ColumnControl(column.name, is_condition, **texts))
        return controls

    @functools.cached_property
    def active(self) -> list[int]:
        """The latent dimensions that are in use, most active first."""
        x, y, _ = self.run.test_images(count=MOST)
        return active_dimensions(self.model, x, y)

    def where(self, values: Sequence[str | None]) -> dict[str, str]:
        """Returns `where` of `TableRun.generate` for values of the controls.

        Args:
            values: A text for each control; None or `""` for any value.
        """
        pairs = zip(self.controls, values, strict=True)
        return {control.name: value.strip() for control, value in pairs if value and value.strip()}

    def generate(self, values, count: int, temperature: float = 1.0, seed: int = 0) -> DataFrame:
        """Generates rows with `TableRun.generate`, for values of the controls.

        Args:
            values: As for `where`.
            count: The number of rows.
            temperature: Scales the spread of z.
            seed: Seed of the random generator.

        Raises:
            ValueError: As for `TableRun.generate`.
        """
        where = self.where(values)
        return self.run.generate(where, count, temperature=temperature, seed=seed)

    def example(self, place: int) -> tuple[np.ndarray, dict | None]:
        """Returns a test row as `(x, y)` of the model, each of one row."""
        dataset = self.run.dataset
        rows = slice(place, place + 1)
        return dataset.x_test[rows], splitting.take(dataset.y_test, rows)

    def noise_of(self, place: int) -> np.ndarray:
        """Encodes a test row as its style, noise of shape `(latent_dim,)`."""
        return self.model.noise_of(*self.example(place))[0]

    def rows(self, noise, place: int, values: Sequence[str | None] = ()) -> DataFrame:
        """Returns the typical rows of given noise.

        Args:
            noise: Array of shape `(count, latent_dim)`.
            place: The test row whose conditions they have.
            values: Values of the controls; a single value of a condition replaces the test row's.
        """
        noise = np.asarray(noise, "float32")
        cells = self.table.from_inputs(self.example(place)[1])
        if cells:
            wanted = self.table.parse(self.where(values)) if values else {}
            single = {name: low for name, (low, high) in wanted.items() if low == high}
            cells = {
                name: np.full(len(noise), single.get(name, cell[0]), "float32")
                for name, cell in cells.items()
            }
        y = self.table.to_inputs(cells) if cells else None
        x = self.model.generate(y, noise=noise, count=len(noise))
        return self.table.frame(self.table.round_samples(x), cells)

    def test_row(self, place: int) -> DataFrame:
        """Returns a test row."""
        x, y = self.example(place)
        return self.table.frame(x, self.table.from_inputs(y))

    def path(self, first: int, second: int, steps: int = 5) -> DataFrame:
        """Returns the typical rows on the path from one test row to another, with the first's y.

        Args:
            first: Number of a test row.
            second: Number of another.
            steps: The number of rows.
        """
        ends = self.noise_of(first), self.noise_of(second)
        return self.rows(latents.interpolate(*ends, steps, spherical=True), first)

    def nearest(self, row: DataFrame, count: int = 5) -> DataFrame:
        """Returns the training rows nearest to a row, by the distance of `evaluation.closest`.

        Args:
            row: One row.
            count: The number of neighbours.
        """
        dataset = self.run.dataset
        wanted, _ = self.table.arrays(row)
        vectors = as_vectors(wanted, dataset.x_train[:MOST_COMPARED], self.run.levels)
        places = neighbours.nearest(*vectors, count)[0]
        cells = self.table.from_inputs(splitting.take(dataset.y_train, places))
        return self.table.frame(dataset.x_train[places], cells)

    def warm_up(self) -> None:
        """Compiles all computations, so that the first move of a control is answered at once."""
        self.rows(self.noise_of(0)[None], 0)
        self.path(0, 0)


def _text(cell):
    """Returns a number without needless zeros, a date as it is."""
    return f"{cell:.10g}" if isinstance(cell, (float, np.floating)) else str(cell)
