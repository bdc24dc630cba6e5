"""Tables on disk: CSV and Parquet, read and written through pandas."""

from __future__ import annotations

import codecs
import csv
import itertools
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import explain, require

if TYPE_CHECKING:
    from pandas import DataFrame

SUFFIXES = (".csv", ".tsv", ".parquet")
ENDINGS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
SEPARATORS = ",;\t"
NOT_NUMBERS = ("", "NA", "N/A", "NaN", "nan", "NULL", "null", "None", "n/a", "<NA>", "#N/A")
DECIMAL_COMMA = r"[+-]?\d+(,\d+)?"


def is_table(path: str | os.PathLike) -> bool:
    """Returns whether a path has the suffix of a table: `.csv`, `.tsv` or `.parquet`."""
    return Path(path).suffix.lower() in SUFFIXES


def read(
    path: str | os.PathLike, encoding: str = "utf-8", na_values: Sequence[str] = ()
) -> DataFrame:
    """Reads a table.

    Args:
        path: A .csv or .tsv file, with a line of names first and commas, semicolons or tabs between
            the cells, or a .parquet file. Where no commas are between cells, they may be in
            numbers, as 1,5. Blanks behind a separator are left out. Empty cells and `?` are
            missing; words such as NA and None are missing among numbers and texts among texts.
            Numbers with leading zeros, as 01005, are codes, and stay texts. A first column without
            a name that numbers the rows is left out, with a warning.
        encoding: Of a CSV file, such as `"latin-1"`.
        na_values: More texts or numbers of a CSV file that mean that a cell is missing.

    Returns:
        A DataFrame. Of a CSV file, whole numbers with empty cells among them are integers (Int64).

    Raises:
        ValueError: If the file is missing, empty, damaged or cut short, or lines of a CSV file
            have more or fewer cells than it has names, or the first line of a CSV file contains
            cells in place of names, or names are missing or occur twice.
    """
    path = Path(os.path.expanduser(path))
    expected = f"A table must be a file that ends in {ENDINGS}"
    require(is_table(path), None, expected, f"'{path}'")
    require(path.is_file(), None, f"'{path}' must be a file that can be read", "no such file")
    is_parquet = path.suffix.lower() == ".parquet"
    frame = _read_parquet(path) if is_parquet else _read_csv(path, encoding, [*na_values])
    require(
        len(frame),
        None,
        f"'{path}' must contain rows",
        f"{len(frame.columns)} columns without a row",
    )
    return frame


def read_texts(path: str | os.PathLike) -> DataFrame:
    """Reads a CSV file of `write`, every cell as a text."""
    import pandas

    return pandas.read_csv(path, dtype=str, keep_default_na=False, na_values=[""])


def write(frame: DataFrame, path: str | os.PathLike) -> None:
    """Writes a table as CSV, with tabs to a .tsv file, or Parquet, by the ending of the path."""
    suffix = Path(path).suffix.lower()
    if suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False, sep="\t" if suffix == ".tsv" else ",")


def _read_csv(path, encoding, na_values):
    import pandas

    with explain("encoding", "must be one that Python knows, such as latin-1", LookupError):
        encoding = codecs.lookup(encoding).name
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding
    expected = f"'{path}' must be a text file in {encoding.removesuffix('-sig').upper()}"
    advice = "encoding", "names another, such as latin-1"
    with explain(None, expected, (UnicodeError, csv.Error), advice):
        separator, codes = _check_lines(path, encoding)
    with explain(None, f"'{path}' must be a CSV file"), warnings.catch_warnings():
        warnings.simplefilter("ignore", pandas.errors.DtypeWarning)
        options = {"sep": separator, "skipinitialspace": True, "dtype": dict.fromkeys(codes, str)}
        options |= {"na_values": ["", "?", *na_values], "keep_default_na": False}
        frame = pandas.read_csv(path, index_col=False, encoding=encoding, **options)
    first = frame.columns[0]
    if first.startswith("Unnamed: "):
        numbers = np.arange(len(frame))
        counts = any(frame[first].tolist() == (numbers + start).tolist() for start in (0, 1))
        expected = f"The first column of '{path}' must have a name, as it does not number the rows"
        require(counts, None, expected, repr(frame[first].tolist()[:5]))
        warnings.warn("The first column, which numbers the rows, is left out", stacklevel=3)
        frame = frame.drop(columns=first)
    for name, cells in frame.items():
        if name not in codes and pandas.api.types.is_string_dtype(cells.dtype):
            numbers = pandas.to_numeric(cells.mask(cells.isin(NOT_NUMBERS)), errors="coerce")
            if (numbers.notna() | cells.isna() | cells.isin(NOT_NUMBERS)).all() and (
                numbers.notna().any()
            ):
                frame[name] = cells = numbers.astype("float64")
        if separator != "," and pandas.api.types.is_string_dtype(cells.dtype):
            known = cells.dropna()
            if len(known) and known.str.fullmatch(DECIMAL_COMMA).all():
                frame[name] = cells = cells.str.replace(",", ".").astype("float64")
        if cells.dtype == "float64" and cells.isna().any() and (cells.dropna() % 1 == 0).all():
            frame[name] = cells.astype("Int64") if cells.abs().max() < 2**53 else cells
    return frame


def _check_lines(path, encoding):
    """Checks the names and the number of cells in each line, which pandas would fill with NaN.

    Returns:
        `(separator, codes)`: the separator, and the names of columns with numbers such as 01005.
    """
    codes = set()
    with open(path, newline="", encoding=encoding) as file:
        first = file.readline()
        require(
            first.strip(),
            None,
            f"'{path}' must begin with a line of names",
            "an empty line or file",
        )
        separator = max(SEPARATORS, key=first.count)
        options = {"delimiter": separator, "skipinitialspace": True}
        file.seek(0)
        names, *rows = itertools.islice(csv.reader(file, **options), 1000)
        expected = f"'{path}' must begin with a line of names"
        require(not _are_cells(names, rows), None, expected, f"a line of cells, {names[:8]}")
        file.seek(0)
        lines = csv.reader(file, **options)
        names = next(lines)
        nameless = len(names) > 1 and not names[0].strip()  # as pandas writes its index
        check_names(names[nameless:], path)
        for cells in lines:
            if cells and len(cells) != len(names):
                expected = f"Line {lines.line_num} of '{path}' must have {len(names)} cells"
                require(False, None, f"{expected}, as there are names", len(cells))
            codes.update(name for name, cell in zip(names, cells, strict=False) if _is_code(cell))
    return separator, codes


def _are_cells(names, rows):
    """Returns whether the first line of a file is one of its rows, by the rows that follow.

    Names of columns of numbers may be numbers, such as years; then they are in order.
    """
    columns = [{*cells} - {"?", *NOT_NUMBERS} for cells in zip(*rows, strict=False)]
    pairs = [(name, cells) for name, cells in zip(names, columns, strict=False) if cells]
    numeric = [name for name, cells in pairs if all(map(_is_number, cells))]
    repeated = [name in cells for name, cells in pairs if not all(map(_is_number, cells))]
    if not numeric:
        return bool(repeated) and all(repeated)
    if not all(map(_is_number, numeric)):
        return False
    values = [float(name.replace(",", ".")) for name in numeric]
    return any(repeated) or values not in (sorted(values), sorted(values, reverse=True))


def _is_number(cell):
    try:
        float(cell.replace(",", "."))
    except ValueError:
        return False
    return True


def _is_code(cell):
    return len(cell) > 1 and cell[0] == "0" and cell.isdecimal()


def _read_parquet(path):
    import pandas

    with explain(
        None, f"'{path}' must be a Parquet file; it is damaged, cut short or of another kind"
    ):
        frame = pandas.read_parquet(path)
    nested = [name for name, cells in _objects(frame) if cells.map(_is_nested).any()]
    expected = (
        f"The columns of '{path}' must contain one value in each cell; flatten or drop the others"
    )
    require(not nested, None, expected, f"lists or structures in {', '.join(map(repr, nested))}")
    index = [name for name in frame.index.names if name is not None]
    check_names([*index, *frame.columns], path)
    return frame.reset_index() if index else frame


def _objects(frame):
    return [(name, cells) for name, cells in frame.items() if cells.dtype == object]


def _is_nested(cell):
    return isinstance(cell, (list, tuple, dict, set)) or getattr(cell, "ndim", 0) > 0


def check_names(names: Sequence, origin: str | os.PathLike) -> None:
    """Checks that names of columns are texts, not empty, and different.

    Args:
        names: The names.
        origin: The file or other origin of the table, for messages.

    Raises:
        ValueError: If they are not.
    """
    expected = f"The columns of '{origin}' must have different names, none of them empty"
    if not all(isinstance(name, str) for name in names):
        expected += ", all of them texts: `frame.rename(columns=str)`"
    texts = [name for name in names if isinstance(name, str) and name.strip()]
    require(len(texts) == len(names) > 0, None, expected, list(names)[:20])
    twice = sorted({name for name in names if list(names).count(name) > 1})
    require(not twice, None, expected, f"{', '.join(map(repr, twice))} more than once")
