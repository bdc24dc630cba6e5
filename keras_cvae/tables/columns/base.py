"""The base class of all kinds of columns."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from keras import ops

from keras_cvae import conditions, portable
from keras_cvae.types import Tensor

if TYPE_CHECKING:
    from pandas import Series


class Learned(NamedTuple):
    """Statistics of columns that `fit` learns before training: tensors.

    Attributes:
        location: Mean of each column on its `scaled` scale, of shape `(columns,)`.
        scale: Standard deviation of each, of shape `(columns,)`.
        knots: Knots of their normal scores, of shape `(5, columns, normal_scores.COUNT)`.
        repeated: Values that they repeat, of shape `(normal_scores.LEVELS, columns)`.
    """

    location: object
    scale: object
    knots: object
    repeated: object

    def of(self, places) -> Learned:
        """Returns the statistics of the columns at some places."""
        location, scale = (portable.entries(part, places) for part in self[:2])
        knots, repeated = (portable.columns(part, places) for part in self[2:])
        return Learned(location, scale, knots, repeated)


class Column(abc.ABC):
    """A column of a table: converts cells to numbers and back, and models the numbers.

    A subclass is a frozen dataclass whose fields can be stored in JSON. It has two parts.

    The methods of the first part are for a single column, in NumPy and pandas: `of` creates the
    column from its cells, `read` converts cells to float32 numbers (NaN for a missing cell),
    `write` converts them back, and `parse` reads the text of a user; `condition`, `to_input` and
    `from_input` are for columns that are conditions.

    The methods of the second part are for all columns of the same `model` and `size`, side by side,
    in `keras.ops`: `encode`, `log_prob`, `mean` and `sample` take `x` and `known`, tensors of shape
    `(batch, columns)`; `parameters`, of shape `(batch, size * columns)`; and `learned`.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        kind: Name of the kind, as in `columns.NAMES`.
        model: Name of the kind whose second part it uses.
        holds: The cells that a column of this kind may have, as a text for messages.
        is_learned: Whether the model learns it.
        levels: Number of categories; None for numbers.
        size: Number of outputs of the decoder for a column.
        encoded_size: Number of inputs of the encoder for a column.
        spec: Its entry in the dict for `tables.Columns`.
        unit: Label of the axis in a picture.
    """

    name: str
    dtype: str
    kind: ClassVar[str]
    model: ClassVar[str]
    holds: ClassVar[str]
    is_learned: ClassVar[bool] = True
    size: int = 2
    encoded_size: int = 2
    levels: int | None = None
    unit: str = "value"

    @property
    def spec(self) -> str | list[str]:
        return self.model

    @property
    def summary(self) -> str:
        """The kind in a few words."""
        return self.kind

    def as_config(self) -> dict:
        """Returns a dict for JSON, from which `columns.from_config` recreates the column."""
        return {"kind": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    @classmethod
    @abc.abstractmethod
    def of(cls, series: Series, distinct: Series, requested: bool) -> Column | None:
        """Creates the column from its cells.

        Args:
            series: The column.
            distinct: Its different known cells, at least two.
            requested: Whether the user wants this kind.

        Returns:
            The column, or None if it is of another kind.

        Raises:
            ValueError: If the column is of this kind but cannot be learned.
        """

    @abc.abstractmethod
    def read(self, series: Series) -> np.ndarray:
        """Converts cells to float32 numbers, NaN for a missing cell."""

    @abc.abstractmethod
    def write(self, cells: np.ndarray) -> np.ndarray | Series:
        """Converts numbers to cells, with the decimals of the data and within their range."""

    def round_samples(self, cells: np.ndarray) -> np.ndarray:
        """Rounds the same share of sampled cells as in the data; called before `write`."""
        return cells

    @abc.abstractmethod
    def parse(self, text: str) -> float:
        """Converts the text of a user to the number of a cell.

        Raises:
            ValueError: If it is not valid for the column.
        """

    def parse_range(self, text: str) -> tuple[float, float]:
        """Converts the text of a user to the least and the greatest number of a cell.

        Raises:
            ValueError: If it is not valid for the column.
        """
        cell = self.parse(text)
        return cell, cell

    def read_texts(self, texts: Series) -> np.ndarray:
        """Converts the texts of a CSV file to numbers, as `read` converts cells."""
        return self.read(texts)

    def condition(self, dropout: float) -> conditions.Condition:
        """Returns a condition for the column, which training hides at the rate `dropout`."""
        return conditions.Vector(1, dropout)

    def to_input(self, cells: np.ndarray) -> np.ndarray:
        """Converts numbers to the inputs of the condition."""
        return cells[:, None]

    def from_input(self, values: np.ndarray) -> np.ndarray:
        """Converts inputs of the condition to numbers: the inverse of `to_input`."""
        return values[:, 0]

    @abc.abstractmethod
    def check(self, cells: np.ndarray) -> str | None:
        """Returns None if all known cells are valid, else a text that says what they must be."""

    def scaled(self, cells: np.ndarray) -> np.ndarray:
        """Converts cells to the scale on which `fit` learns their mean and deviation."""
        return cells

    @abc.abstractmethod
    def encode(self, x, known, learned: Learned) -> Tensor:
        """Returns inputs of the encoder, of shape `(batch, encoded_size * columns)`."""

    @abc.abstractmethod
    def log_prob(self, x, known, parameters, learned: Learned) -> Tensor:
        """Returns log-probabilities or log-densities of cells, finite also for unknown ones.

        Returns:
            Tensor of shape `(batch, columns)`, in nats.
        """

    @abc.abstractmethod
    def mean(self, parameters, learned: Learned) -> Tensor:
        """Returns the most typical value of each cell, of shape `(batch, columns)`."""

    @abc.abstractmethod
    def sample(self, parameters, learned: Learned, seed) -> Tensor:
        """Samples cells, of shape `(batch, columns)`."""


def ignore(name: str) -> tuple[str, str]:
    """Returns advice for the message about a column that cannot be learned: to leave it out."""
    return "kinds", f"leaves it out with {name}=ignore"


def missing(known) -> Tensor:
    """Returns 1 for an unknown cell, else 0."""
    return 1.0 - ops.cast(known, "float32")


def plain(value) -> object:
    """Converts a value of NumPy to one of Python, for JSON."""
    return value.item() if hasattr(value, "item") else value
