"""Cells of a table as inputs of the encoder."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import portable, standardize
from keras_cvae.tables import normal_scores
from keras_cvae.tables.columns import Learned
from keras_cvae.tables.groups import columns_of, groups_of
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class StandardizeColumns(standardize.Standardize):
    """Standardizes the cells of a table for the encoder.

    Numbers become their normal scores, counts log(1 + count) with zero mean and unit variance; both
    are 0 where the cell is missing, and have a second entry, 1 where it is missing. Categories
    become one-hot vectors, all zeros where the cell is missing.

    Args:
        columns: As for `Columns`.

    Call arguments:
        inputs: Tensor of shape `(batch, columns)`, NaN where a cell is missing.

    Returns:
        Tensor of shape `(batch, width)`, in float32: the groups of columns one after another.
    """

    def __init__(self, columns: Mapping[str, str | list[str]], **kwargs):
        super().__init__(**kwargs)
        described = columns_of(columns)
        self.columns = {column.name: column.spec for column in described}
        self.groups = groups_of(described)

    def build(self, input_shape) -> None:
        self.knots = add_knots(self, len(self.columns))
        super().build(input_shape)
        self.repeated = add_repeated(self, len(self.columns))  # last, as files rely on the order

    @property
    def learned(self) -> list[np.ndarray]:
        own = [np.array(ops.convert_to_numpy(weight)) for weight in (self.knots, self.repeated)]
        return [*super().learned, *own]

    def adapt(self, data) -> None:
        super().adapt(data)
        rows = self.scaled(data[:: max(1, len(data) // normal_scores.MOST)])
        location, scale, *_ = self.learned
        units = [cells[~np.isnan(cells)] for cells in ((rows - location) / scale).T]
        self.knots.assign(np.stack([normal_scores.learn(cells) for cells in units], axis=1))
        repeated = [normal_scores.repeated(cells) for cells in units]
        self.repeated.assign(np.stack(repeated, axis=1))

    def needs_scaling(self, data) -> bool:
        return True  # columns have different scales

    def scaled(self, data) -> Tensor:
        data = np.asarray(data, "float64").copy()
        for column, places in self.groups:
            data[:, places] = column.scaled(data[:, places])
        return data

    def call(self, inputs) -> Tensor:
        x = ops.cast(inputs, "float32")
        known = ops.logical_not(ops.isnan(x))
        location = self.origin + self.location
        weights = (location, self.scale, self.knots, self.repeated)
        learned = Learned(*map(ops.convert_to_tensor, weights))
        encoded = []
        for column, places in self.groups:
            cells, are_known = (portable.columns(part, places) for part in (x, known))
            encoded.append(column.encode(cells, are_known, learned.of(places)))
        return ops.concatenate(encoded, axis=1)

    def compute_output_shape(self, input_shape) -> tuple:
        return (input_shape[0], sum(group.encoded_size for group in self.groups))

    def get_config(self) -> dict:
        return {**super().get_config(), "columns": self.columns}


def add_knots(layer: keras.layers.Layer, columns: int) -> keras.Variable:
    """Adds a weight for the knots of normal scores to a layer, initially the identity."""
    straight = np.repeat(normal_scores.STRAIGHT[:, None], columns, axis=1)
    return layer.add_weight(
        straight.shape,
        initializer=lambda *_, **__: ops.convert_to_tensor(straight, "float32"),
        trainable=False,
        dtype="float32",
        name="knots",
    )


def add_repeated(layer: keras.layers.Layer, columns: int) -> keras.Variable:
    """Adds a weight for the repeated values of columns to a layer, initially none."""
    return layer.add_weight(
        (normal_scores.LEVELS, columns),
        initializer=keras.initializers.Constant(float(normal_scores.NOT_REPEATED)),
        trainable=False,
        dtype="float32",
        name="repeated",
    )
