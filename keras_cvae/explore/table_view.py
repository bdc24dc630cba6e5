"""Event handlers of the page of a table: from the values of components to new values."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.explore.rows import RowExplorer

ANY = "any"
STEPS = 5  # rows on the path from one row to another
MOST_ROWS = 1000


class TableView:
    """Event handlers of the page: from the values of components to new values.

    Args:
        explorer: The computations.
    """

    def __init__(self, explorer: RowExplorer):
        self.explorer = explorer
        self.name = Path(explorer.run.config["data"]["name"]).name

    def generate(self, count, seed, temperature, *values) -> tuple[Any, str]:
        """Returns generated rows and warnings, or None and the message of an error."""
        values, count = _without_any(values), int(min(max(count or 1, 1), MOST_ROWS))
        seed = int(seed or 0)
        return _attempt(lambda: self.explorer.generate(values, count, temperature, seed))

    def another(self, count, seed, temperature, *values) -> tuple:
        """Returns the next seed, its rows and messages."""
        seed = int(seed or 0) + 1
        return seed, *self.generate(count, seed, temperature, *values)

    def nearest(self, count, seed, temperature, *values) -> tuple[Any, str]:
        """Returns the first generated row and the training rows nearest to it."""
        import pandas

        row, sentence = self.generate(count, seed, temperature, *values)
        if row is None:
            return None, sentence
        rows = pandas.concat([row[:1], self.explorer.nearest(row[:1])], ignore_index=True)
        rows.insert(0, "row", ["generated", *["training"] * (len(rows) - 1)])
        return rows, sentence

    def take(self, place) -> tuple[list[float], Any]:
        """Returns the style of a test row, and the table of `compare`."""
        noise = self.explorer.noise_of(int(place)).tolist()
        return noise, self.compare(noise, place)

    def compare(self, noise, place, *values) -> Any:
        """Returns a table of the columns with the values of the test row and of the style.

        Args:
            noise: List of numbers, one for each latent dimension.
            place: The number of the test row.
            *values: The values of the columns' controls.
        """
        place, values = int(place), _without_any(values)
        rows, _ = _attempt(lambda: self.explorer.rows([noise], place, values))
        rows = self.explorer.rows([noise], place) if rows is None else rows
        return self._columns(place, rows, ["decoded"])

    def path(self, first, second) -> Any:
        """Returns a table of the columns along the path from one test row to another."""
        rows = self.explorer.path(int(first), int(second), STEPS)
        return self._columns(first, rows, [f"{share:.2g}" for share in np.linspace(0, 1, STEPS)])

    def save(self, count, seed, temperature, *values) -> dict | None:
        """Returns a CSV file of the generated rows, as a data URL, and a name for it."""
        rows, _ = self.generate(count, seed, temperature, *values)
        if rows is None:
            return None
        content = base64.b64encode(rows.to_csv(index=False).encode()).decode()
        address = f"data:text/csv;charset=utf-8;base64,{content}"
        return {"address": address, "name": f"{Path(self.name).stem}.csv"}

    def _columns(self, place, rows, names):
        import pandas

        real = self.explorer.test_row(int(place))
        cells = {"column": list(rows.columns), "test row": real.astype(str).iloc[0].tolist()}
        cells |= {name: rows.astype(str).iloc[i].tolist() for i, name in enumerate(names)}
        return pandas.DataFrame(cells)


def _without_any(values):
    """Returns the values of the controls, with None in place of `ANY`."""
    return [None if value == ANY else value for value in values]


def _attempt(make: Callable) -> tuple[Any, str]:
    """Returns the value of a function, None after an error, and its error or warnings as a text."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        value, sentences = None, []
        try:
            value = make()
        except ArgumentError as error:
            sentences.append(str(error.rename_arguments({"where": "columns"})))
        except ValueError as error:
            sentences.append(str(error))
    sentences += [f"{warning.message}." for warning in caught]
    return value, " ".join(sentences)
