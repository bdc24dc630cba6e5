"""Tables: rows of numbers, dates, counts and categories.

A `Table` describes the columns of a DataFrame; `Columns` is their likelihood, or
`AutoregressiveColumns` if cells depend on each other. The kinds of columns are in `tables.columns`.
"""

from keras_cvae.tables.autoregressive import AutoregressiveColumns
from keras_cvae.tables.columns import KINDS, Column
from keras_cvae.tables.encoding import EncodeColumns
from keras_cvae.tables.files import is_table, read, write
from keras_cvae.tables.likelihood import Columns
from keras_cvae.tables.standardize import StandardizeColumns
from keras_cvae.tables.table import Table

__all__ = [
    "KINDS",
    "AutoregressiveColumns",
    "Column",
    "Columns",
    "EncodeColumns",
    "StandardizeColumns",
    "Table",
    "is_table",
    "read",
    "write",
]
