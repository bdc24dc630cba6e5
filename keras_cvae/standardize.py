"""A layer that scales data to zero mean and unit variance before they are encoded."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from keras_cvae import earlier_files, far_columns
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Standardize(Float32Layer):
    """Scales the columns of tables, or the channels of series and images, to unit scale.

    Unit scale is a mean of 0 and a variance of 1. Each column of a table and each channel of a
    series is standardised by itself, unless all are pixels: bytes, or at most 256 levels in [0, 1].
    The channels of images are standardised if one of them is far from unit scale. Before `adapt`
    the layer does not change its input.

    Call arguments:
        inputs: Tensor of shape `(batch, ..., columns)`.

    Returns:
        Tensor of the same shape, in float32.
    """

    FARTHEST = 10.0  # largest absolute value of images near unit scale
    NARROWEST = 0.05  # least standard deviation of their channels; for pixels, of the widest one

    def build(self, input_shape) -> None:
        options = {"trainable": False, "dtype": "float32"}
        shape = (input_shape[-1],)
        self.location = self.add_weight(shape, initializer="zeros", name="location", **options)
        self.scale = self.add_weight(shape, initializer="ones", name="scale", **options)
        self.adapted = self.add_weight((), initializer="zeros", name="adapted", **options)
        self.origin = self.add_weight(shape, initializer="zeros", name="origin", **options)
        self.built = True

    @property
    def learned(self) -> list[np.ndarray]:
        """Location and scale of each column: arguments of `Likelihood.standardize`."""
        origin, location, scale = map(
            ops.convert_to_numpy, (self.origin, self.location, self.scale)
        )
        return [np.float64(origin) + location, np.array(scale)]

    @property
    def is_adapted(self) -> bool:
        """Whether `adapt` was called."""
        return bool(ops.convert_to_numpy(self.adapted))

    def adapt(self, data) -> None:
        """Learns the mean and the standard deviation of each column, if `needs_scaling(data)`.

        Args:
            data: Finite array of shape `(count, ..., columns)`. A constant column has a scale of 1.
        """
        if self.needs_scaling(data):
            mean, deviation, _ = self._moments(data)
            scale = np.where(deviation > 0, deviation, 1.0)
            origin, location = far_columns.split(mean, scale)
            for weight, value in zip(
                (self.origin, self.location, self.scale), (origin, location, scale), strict=True
            ):
                weight.assign(value)
        self.adapted.assign(1.0)

    def needs_scaling(self, data) -> bool:
        """Returns whether data must be scaled: rows and series, or images far from unit scale.

        Args:
            data: As for `adapt`.
        """
        are_pixels = _are_pixels(data)
        if data.ndim <= 3 and not are_pixels:
            return True
        _, deviation, farthest = self._moments(data)
        varying = deviation[deviation > 0]
        narrowest = varying.max(initial=0.0) if are_pixels else varying.min(initial=np.inf)
        return bool(farthest > self.FARTHEST or 0 < narrowest < self.NARROWEST)

    def scaled(self, data: np.ndarray) -> np.ndarray:
        """Converts rows of float data to the scale that is standardised, such as logarithms."""
        return data

    def call(self, inputs) -> Tensor:
        x = ops.cast(inputs, "float32")
        return far_columns.standardize(x, self.origin, self.location, self.scale)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape

    def load_own_variables(self, store) -> None:
        variables = self._trainable_variables + self._non_trainable_variables
        super().load_own_variables(earlier_files.fill(store, variables))

    def _moments(self, data, rows=4096):
        """Returns mean and standard deviation of every column, and the largest absolute value.

        It reads `rows` rows at a time, so that a memory-mapped array is never copied as a whole.
        NaN, a missing cell, is ignored.
        """
        count, total, squares, farthest = 0, 0.0, 0.0, 0.0
        origin = None
        for start in range(0, len(data), rows):
            part = np.asarray(data[start : start + rows])
            part = part / 255.0 if part.dtype == np.uint8 else part.astype("float64")
            part = self.scaled(part.reshape(-1, part.shape[-1]))
            known = ~np.isnan(part)
            origin = _mean(part, known) if origin is None else origin
            part = np.where(known, part, origin)
            farthest = max(farthest, np.abs(part).max())
            count = count + known.sum(0)
            total += (part - origin).sum(0)
            squares += np.square(part - origin).sum(0)
        count = np.maximum(count, 1)
        mean = total / count
        return origin + mean, np.sqrt(np.maximum(squares / count - mean**2, 0.0)), farthest


def _are_pixels(rows, looked_at=512):
    """Returns whether values are those of pixels: bytes, or at most 256 levels in [0, 1]."""
    if rows.dtype in ("uint8", "bool"):
        return True
    if rows.min() < 0 or rows.max() > 1:
        return False
    some = rows[:: max(1, len(rows) // looked_at)]
    return len(np.unique(some)) <= min(256, some.size // 4)


def _mean(part, known):
    return np.where(known, part, 0.0).sum(0) / np.maximum(known.sum(0), 1)
