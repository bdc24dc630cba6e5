"""Options of the command for tables."""

from __future__ import annotations

import csv
import functools
from collections.abc import Callable
from typing import Annotated

from typer import Option

from keras_cvae.checks import require
from keras_cvae.cli import names

Condition = Annotated[str | None, Option(help="Columns to condition on: sex,age.  [default: none]")]
Columns = Annotated[
    str | None,
    Option(
        help=f"Kinds of columns ({', '.join(names.COLUMN_KINDS)}), for example id=ignore,age=count."
    ),
]
Encoding = Annotated[
    str | None, Option(help="Encoding of a CSV file, for example latin-1.  [default: utf-8]")
]
NaValues = Annotated[
    str | None, Option(help="Values of a CSV file that mean a missing cell, too: n/k,-999.")
]
Where = Annotated[str | None, Option(help='Values or ranges of columns: "sex=F,age=30..40".')]


def training(condition, columns, dropout, encoding, na_values, of_images) -> Callable:
    """Returns a function that trains a model of a table with these options.

    Raises:
        ValueError: If an option of images is set, or an option has a wrong value.
    """
    from keras_cvae import runs

    leave_out(of_images, "images")
    options = {"dropout": dropout, "encoding": encoding}
    options["na_values"] = _split(na_values) if na_values is not None else None
    options = {name: value for name, value in options.items() if value is not None}
    pairs = [part.rpartition("=") for part in _split(columns)]
    expected = "must be names and kinds of columns, as id=ignore,age=count"
    require(all(sign for _, sign, _ in pairs), "--columns", expected, repr(columns))
    kinds = {name.strip(): kind.strip() for name, _, kind in pairs}
    conditions = _split(condition)
    return functools.partial(runs.train_table, conditions=conditions, kinds=kinds, **options)


def _split(text):
    """Splits a text at commas, except for those in double quotes."""
    return [part.strip() for part in next(csv.reader([text or ""], skipinitialspace=True), [])]


def leave_out(options, of_what) -> None:
    """Refuses options of another kind of data."""
    for option, value in options.items():
        require(value is None, option, f"is an option for {of_what} only", repr(value))
