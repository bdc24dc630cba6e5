"""What every kind of column is."""

from __future__ import annotations

import abc
import dataclasses
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import numpy as np
from keras import ops

from keras_cvae import conditions

if TYPE_CHECKING:
    from pandas import Series


class Learned(NamedTuple):
    """What `fit` learns of columns before training begins: tensors.

    Attributes:
        location: Mean of each column on its `scaled` scale, of shape `(columns,)`.
        scale: Standard deviation of each, of shape `(columns,)`.
        knots: Of their normal scores, of shape `(5, columns, normal_scores.COUNT)`.
        repeated: Values that they repeat, of shape `(normal_scores.LEVELS, columns)`.
    """

    location: object
    scale: object
    knots: object
    repeated: object

    def of(self, places) -> Learned:
        """The same for some of the columns only."""
        location, scale = (ops.take(part, places) for part in self[:2])
        knots, repeated = (ops.take(part, places, axis=1) for part in self[2:])
        return Learned(location, scale, knots, repeated)


class Column(abc.ABC):
    """A column of a table: how its cells become numbers and back, and how these are modelled.

    A subclass is a frozen dataclass whose fields are what JSON takes. It has two halves.

    The first is about one column, in NumPy and pandas: `of` makes the column from its cells, `read`
    turns cells into float32 numbers (NaN where one is missing), `write` turns these back, `parse`
    reads what a user writes; `condition`, `to_input` and `from_input` make it a condition.

    The second is about all columns of the same `model` and `size`, side by side, in `keras.ops`:
    `encode`, `log_prob`, `mean` and `sample` take `x` and `known`, tensors of shape
    `(batch, columns)`; `parameters`, of shape `(batch, size * columns)`; and `learned`.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        kind: Name of the kind, as in `columns.NAMES`.
        model: The kind whose second half it has.
        holds: What a column of this kind must hold, for messages.
        is_learned: Whether the model learns it.
        levels: How many categories it has; None for numbers.
        size: How many outputs of the decoder a column needs.
        encoded_size: How many numbers the encoder gets for a column.
        spec: What `tables.Columns` takes for it.
        unit: What the axis of a picture says.
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
        """What JSON takes, from which `columns.from_config` makes the same column."""
        return {"kind": self.kind, **dataclasses.asdict(self)}  # type: ignore[call-overload]

    @classmethod
    @abc.abstractmethod
    def of(cls, series: Series, distinct: Series, asked: bool) -> Column | None:
        """Makes the column from its cells.

        Args:
            series: The column.
            distinct: Its different known cells, at least two.
            asked: Whether the user asks for this kind.

        Returns:
            The column, or None where it is of another kind.

        Raises:
            ValueError: If the column is of this kind but cannot be learned.
        """

    @abc.abstractmethod
    def read(self, series: Series) -> np.ndarray:
        """Cells as float32 numbers, NaN where one is missing."""

    @abc.abstractmethod
    def write(self, cells: np.ndarray):
        """Numbers as the cells of the table, rounded and within what the data hold."""

    def settle(self, cells: np.ndarray) -> np.ndarray:
        """Sampled cells as the data have them, where the model is smoother; before `write`."""
        return cells

    @abc.abstractmethod
    def parse(self, text: str) -> float:
        """The number of a cell that a user writes.

        Raises:
            ValueError: If the column cannot hold it.
        """

    def parse_range(self, text: str) -> tuple[float, float]:
        """The least and the greatest number that a user asks for; of a value they are equal."""
        cell = self.parse(text)
        return cell, cell

    def read_texts(self, texts: Series) -> np.ndarray:
        """As `read`, of cells that a CSV file has written as texts."""
        return self.read(texts)

    def condition(self, dropout: float) -> conditions.Condition:
        """The condition that the column becomes; `dropout` is how often training hides it."""
        return conditions.Vector(1, dropout)

    def to_input(self, cells: np.ndarray) -> np.ndarray:
        """Numbers as the condition takes them."""
        return cells[:, None]

    def from_input(self, values: np.ndarray) -> np.ndarray:
        """The inverse of `to_input`."""
        return values[:, 0]

    @abc.abstractmethod
    def check(self, cells: np.ndarray) -> str | None:
        """What known cells must be, if they are not that; else None."""

    def scaled(self, cells: np.ndarray) -> np.ndarray:
        """Cells on the scale on which their mean and deviation are learned."""
        return cells

    @abc.abstractmethod
    def encode(self, x, known, learned: Learned):
        """What the encoder gets: a tensor of shape `(batch, encoded_size * columns)`."""

    @abc.abstractmethod
    def log_prob(self, x, known, parameters, learned: Learned):
        """Log-probability or log-density of each cell, in nats; finite where it is unknown."""

    @abc.abstractmethod
    def mean(self, parameters, learned: Learned):
        """The most typical value of each cell."""

    @abc.abstractmethod
    def sample(self, parameters, learned: Learned, seed):
        """Samples each cell."""


def ignore(name: str) -> tuple[str, str]:
    """Advice for a message about a column that cannot be learned: to leave it out."""
    return "kinds", f"leaves it out with {name}=ignore"


def missing(known):
    """1 where a cell is unknown, else 0."""
    return 1.0 - ops.cast(known, "float32")


def plain(value):
    """A value of NumPy as Python's own, which JSON takes."""
    return value.item() if hasattr(value, "item") else value
