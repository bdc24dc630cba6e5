"""Continuous conditions: vectors, standardised inside the model."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, earlier_files, far_columns
from keras_cvae.conditions.base import Condition
from keras_cvae.data import arrays
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Vector(Condition):
    r"""A continuous condition, standardised by the mean and variance of its training values.

    y = [(v - mean) / sqrt(variance), 1]. A vector that contains a NaN is unknown: its y is all
    zeros. The last entry distinguishes an unknown vector from the mean.

    Args:
        size: Length of the vector v.
        dropout: The probability that training hides a vector, in [0, 1].
        mean: Mean of v, if it is known beforehand: a number, or `size` numbers.
        variance: Variance of v, likewise; pass both or neither.
        seed: Optional integer seed of the dropout.

    Call arguments:
        inputs: Tensor of shape `(batch, size)`.
        training: Whether to hide vectors.

    Returns:
        Tensor of shape `(batch, size + 1)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
    ```python
    slant = conditions.Vector(1)
    slant.adapt(slants)      # otherwise the first `fit` does it
    ```
    """

    def __init__(
        self,
        size: int,
        dropout: float = 0.0,
        mean=None,
        variance=None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(dropout, seed, **kwargs)
        self.autocast = False  # values of any scale overflow in half precision
        self.size = checks.integer("size", size, least=1)
        self.width = self.size + 1
        if (mean is None) != (variance is None):
            raise checks.ArgumentError(
                "mean",
                "and `variance` must both be passed, or neither",
                f"mean={mean!r}, variance={variance!r}",
            )
        options = {"shape": (self.size,), "trainable": False, "dtype": "float32", "autocast": False}
        self.mean = self.add_weight(initializer="zeros", name="mean", **options)
        self.variance = self.add_weight(initializer="ones", name="variance", **options)
        self.adapted = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="adapted"
        )
        self.origin = self.add_weight(initializer="zeros", name="origin", **options)
        if mean is not None:
            self._standardize(mean, variance)

    def _standardize(self, mean, variance):
        shape = (self.size,)
        mean = np.broadcast_to(np.asarray(mean, "float64"), shape)
        variance = np.broadcast_to(np.asarray(variance, "float64"), shape)
        if not (np.isfinite(mean).all() and np.isfinite(variance).all() and (variance >= 0).all()):
            raise checks.ArgumentError(
                "mean",
                "must be finite and `variance` finite and at least 0",
                f"mean={mean}, variance={variance}",
            )
        variance = np.where(variance > 0, variance, 1.0)  # a constant stays at 0
        origin, rest = far_columns.split(mean, np.sqrt(variance))
        self.origin.assign(origin)
        self.mean.assign(rest)
        self.variance.assign(variance)
        self.adapted.assign(1.0)

    def adapt(self, values) -> None:
        """Learns the mean and the variance of the known training values.

        Args:
            values: Array of shape `(count, size)`, or `(count,)` if `size` is 1.

        Raises:
            ValueError: If `values` has another shape, or all of them are unknown.
        """
        values = arrays.check_vectors(values, self.size, name="values")
        known = values[~self.is_unknown(values)].astype("float64")
        if not len(known):
            raise checks.ArgumentError("values", "must have a known vector", "NaN in all vectors")
        self._standardize(known.mean(0), known.var(0))

    def adapt_once(self, values) -> None:
        if not self._is_adapted():
            self.adapt(values["vector"])

    @property
    def needs_data(self) -> bool:
        return not self._is_adapted()

    def _is_adapted(self):
        return bool(ops.convert_to_numpy(self.adapted))

    def inputs(self) -> dict[str, keras.KerasTensor]:
        return {"vector": keras.Input((self.size,), name="vector")}

    def call(self, inputs, training=False) -> Tensor:
        values = self.hide(ops.cast(inputs, "float32"), math.nan, training)
        known = ops.logical_not(self.is_unknown(values))[:, None]
        origin, mean, variance = map(ops.convert_to_tensor, (self.origin, self.mean, self.variance))
        scaled = far_columns.standardize(values, origin, mean, ops.sqrt(variance))
        scaled = ops.where(known, scaled, 0.0)
        y = ops.concatenate([scaled, ops.cast(known, "float32")], axis=-1)
        return ops.cast(y, self.compute_dtype)

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.width), dtype=self.compute_dtype)

    def is_unknown(self, values) -> Tensor | np.ndarray:
        library = np if isinstance(values, np.ndarray) else ops
        return library.any(library.isnan(values), axis=-1)

    def count(self, values) -> int:
        return len(values) if np.ndim(values) > (self.size > 1) else 1

    def check(self, values, count, name="y") -> dict:
        values = np.nan if values is None else values
        if isinstance(values, (list, tuple)):
            unknown = math.nan if self.size == 1 else [math.nan] * self.size
            values = [unknown if value is None else value for value in values]
        if np.ndim(values) < (1 if self.size == 1 else 2):  # one for all
            values = np.broadcast_to(values, (count, self.size))
        return {"vector": arrays.check_vectors(values, self.size, count=count, name=name)}

    def packer(self) -> Callable[[dict], dict]:
        origin, mean, variance = self._statistics()
        deviation = np.sqrt(variance)
        return lambda values: {
            "vector": far_columns.pack(values["vector"], origin, mean, deviation)
        }

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray]:
        origin, mean, variance = self._statistics()
        return origin + mean, np.sqrt(variance)

    def _statistics(self):
        """Returns origin, mean from there, and variance of the training values, in float64."""
        weights = self.origin, self.mean, self.variance
        return [np.float64(ops.convert_to_numpy(weight)) for weight in weights]

    def load_own_variables(self, store) -> None:
        variables = [self.seen_unknown, self.mean, self.variance, self.adapted, self.origin]
        super().load_own_variables(earlier_files.fill(store, variables))

    def get_config(self) -> dict:
        config = {"size": self.size, "dropout": self.dropout, "seed": self.seed}
        if self._is_adapted():
            origin, mean, variance = self._statistics()
            config |= {"mean": (origin + mean).tolist(), "variance": variance.tolist()}
        return {**super().get_config(), **config}
