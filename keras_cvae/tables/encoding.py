"""Cells of a table as inputs of networks: numbers by their scores, categories one-hot."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import portable, standardize
from keras_cvae.tables import quantiles
from keras_cvae.tables.columns import Column
from keras_cvae.tables.groups import columns_of, groups_of
from keras_cvae.types import Tensor

MOST = 100_000  # rows, at most, from which points are learned


class Encoding:
    """Converts the columns of a table to inputs, those of each column side by side.

    Args:
        columns: The columns of x.

    Attributes:
        numbers: Places of the columns of numbers and counts.
        ends: Where the inputs of each column begin, and where those of the last one end.
    """

    def __init__(self, columns: list[Column]):
        self.columns = columns
        self.groups = [group for group in groups_of(columns) if group.column.levels]
        self.numbers = [place for place, column in enumerate(columns) if column.levels is None]
        sizes = [column.levels or 1 + quantiles.HATS for column in columns]
        self.ends = np.cumsum([0, *sizes]).tolist()
        self._orders: dict = {}

    def add_points(self, layer: keras.layers.Layer) -> keras.Variable:
        """Adds a weight for the points of `quantiles` to a layer, initially the identity."""
        start = np.repeat(quantiles.START[:, None], max(1, len(self.numbers)), axis=1)
        return layer.add_weight(
            start.shape,
            initializer=lambda *_, **__: ops.convert_to_tensor(start),
            trainable=False,
            dtype="float32",
            name="points",
        )

    def scores(self, x, points) -> quantiles.Scores:
        """Returns the scores of the columns of numbers, 0 for a missing cell.

        Args:
            x: Tensor of shape `(batch, columns)`, NaN where a cell is missing.
            points: The weight of `add_points`.
        """
        cells = portable.columns(x, self.numbers)
        known = ops.logical_not(ops.isnan(cells))
        found = quantiles.score(ops.where(known, cells, 0.0), points)
        return quantiles.Scores(*(ops.where(known, part, 0.0) for part in found))

    def __call__(self, x, points) -> Tensor:
        """Returns inputs of shape `(batch, ends[-1])`, 0 for a missing cell.

        Args:
            x: As for `scores`.
            points: As for `scores`.
        """
        known = ops.logical_not(ops.isnan(x))
        parts, places = [], []
        if self.numbers:
            features = quantiles.features(self.scores(x, points).middle)
            here = ops.expand_dims(portable.columns(known, self.numbers), -1)
            features = ops.where(here, features, 0.0)
            parts.append(ops.reshape(features, (-1, len(self.numbers) * (1 + quantiles.HATS))))
            places += self.numbers
        for column, group in self.groups:
            cells, here = (portable.columns(part, group) for part in (x, known))
            parts.append(column.encode(cells, here, None))
            places += group
        inputs = ops.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]
        ranges = {p: range(self.ends[p], self.ends[p + 1]) for p in places}
        order = np.argsort([entry for p in places for entry in ranges[p]])
        return inputs if (np.diff(order) == 1).all() else portable.columns(inputs, order)


@keras.saving.register_keras_serializable("keras_cvae")
class EncodeColumns(standardize.Standardize):
    """Encodes the cells of a table for the encoder.

    Numbers and counts become their normal scores (see `quantiles`) and how far each sixteenth of
    the column is filled; categories become one-hot vectors. All are 0 where a cell is missing, and
    a last entry for each column is 1 there.

    Args:
        columns: As for `AutoregressiveColumns`.

    Call arguments:
        inputs: Tensor of shape `(batch, columns)`, NaN where a cell is missing.

    Returns:
        Tensor of shape `(batch, width)`, in float32.
    """

    def __init__(self, columns: Mapping[str, str | list[str]], **kwargs):
        super().__init__(**kwargs)
        described = columns_of(columns)
        self.columns = {column.name: column.spec for column in described}
        self.encoding = Encoding(described)

    def build(self, input_shape) -> None:
        super().build(input_shape)
        self.points = self.encoding.add_points(self)

    @property
    def learned(self) -> list[np.ndarray]:
        return [np.array(ops.convert_to_numpy(self.points))]

    def adapt(self, data) -> None:
        rows = np.asarray(data[:: max(1, len(data) // MOST)], "float32")
        columns = [rows[:, place] for place in self.encoding.numbers]
        if columns:
            learned = [quantiles.learn(cells[~np.isnan(cells)]) for cells in columns]
            self.points.assign(np.stack(learned, axis=1))
        self.adapted.assign(1.0)

    def call(self, inputs) -> Tensor:
        x = ops.cast(inputs, "float32")
        encoded = self.encoding(x, ops.convert_to_tensor(self.points))
        return ops.concatenate([encoded, ops.cast(ops.isnan(x), "float32")], axis=1)

    def compute_output_shape(self, input_shape) -> tuple:
        return (input_shape[0], self.encoding.ends[-1] + len(self.columns))

    def get_config(self) -> dict:
        return {**super().get_config(), "columns": self.columns}
