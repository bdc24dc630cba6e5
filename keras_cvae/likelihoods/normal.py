"""The base of Gaussian likelihoods: normal noise in unit scale."""

from __future__ import annotations

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_cvae import earlier_files, far_columns, noise
from keras_cvae.divergences import LOG_2_PI
from keras_cvae.likelihoods.base import Likelihood, rows
from keras_cvae.types import Tensor


class Normal(Likelihood):
    r"""Independent normal entries around the decoder's output, with one variance v for all.

    log p(x | m) = -1/2 sum [ log(2 pi v s^2) + (x - l - s m)^2 / (v s^2) ]

    Args:
        variance: Initial value of v.
        learn_variance: Whether v is a trainable weight.

    Attributes:
        log_variance: Weight: log v.
        location: Weight: l of each column, beside its `origin` (see `far_columns`).
        scale: Weight: s of each column.
    """

    standardizes = True
    mean_activation = "linear"  # of images, which are not standardized

    def __init__(self, variance: float, learn_variance: bool, **kwargs):
        super().__init__(**kwargs)
        self.log_variance = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(variance)),
            trainable=learn_variance,
            dtype="float32",
            name="log_variance",
        )

    def build(self, shape) -> None:
        options = {"shape": shape[-1:], "trainable": False, "dtype": "float32"}
        self.location = self.add_weight(initializer="zeros", name="location", **options)
        self.scale = self.add_weight(initializer="ones", name="scale", **options)
        self.origin = self.add_weight(initializer="zeros", name="origin", **options)
        self.built = True

    def standardize(self, location, scale) -> None:
        origin, location = far_columns.split(location, scale)
        self.origin.assign(origin)
        self.location.assign(location)
        self.scale.assign(scale)

    def packer(self) -> Callable:
        if not self.built:
            return super().packer()
        learned = [np.array(ops.convert_to_numpy(weight)) for weight in self._learned]
        return lambda x: far_columns.pack(x, *learned)

    def unpack(self, x) -> Tensor:
        x = ops.cast(x, "float32")
        return far_columns.unpack(x, *self._learned) if self.built else x

    @property
    def _learned(self):
        return self.origin, self.location, self.scale

    def log_prob(self, x, parameters) -> Tensor:
        log_variance = ops.convert_to_tensor(self.log_variance)
        return self._log_density(self._residuals(x, parameters), log_variance)

    def _residuals(self, x, parameters):
        """Returns x minus its mean, in unit scale, of shape `(batch, entries)`."""
        x = ops.cast(x, "float32")
        if self.built:
            x = far_columns.standardize(x, *map(ops.convert_to_tensor, self._learned))
        return rows(x) - rows(parameters)

    def _log_density(self, residuals, log_variance):
        width = 0.0
        if self.built:
            scale = ops.convert_to_tensor(self.scale)
            width = residuals.shape[1] // scale.shape[0] * ops.sum(ops.log(scale))
        squared = ops.square(residuals) * ops.exp(-log_variance)
        return -0.5 * ops.sum(LOG_2_PI + log_variance + squared, axis=1) - width

    def mean(self, parameters) -> Tensor:
        mean = ops.cast(parameters, "float32")
        if self.built:
            mean = self.origin + (self.location + self.scale * mean)
        return mean

    def sample(self, parameters, seed=None) -> Tensor:
        return self.mean(self._sample_units(parameters, seed))

    def _sample_units(self, parameters, seed):
        deviation = ops.exp(0.5 * ops.convert_to_tensor(self.log_variance))
        parameters = ops.cast(parameters, "float32")
        return parameters + deviation * noise.normal(ops.shape(parameters), seed)

    def in_float64(self) -> Callable | None:
        origin, location, scale = (np.float64(ops.convert_to_numpy(w)) for w in self._learned)
        if not origin.any():
            return None

        def of_parameters(parameters, seed=None):
            if seed is not None:
                parameters = self._sample_units(ops.convert_to_tensor(parameters), seed)
            return origin + location + scale * ops.convert_to_numpy(parameters)

        return of_parameters

    def load_own_variables(self, store) -> None:
        variables = self._trainable_variables + self._non_trainable_variables
        super().load_own_variables(earlier_files.fill(store, variables))
