"""A diagonal normal that depends on y, as a prior."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Conditional(Prior):
    r"""A diagonal normal whose mean and variance are a network of y.

    p(z | y) = N(m(y), diag exp(l(y))), with m and l the outputs of a dense network. It starts as
    N(0, I). An unknown y, all zeros, has a prior like any other y.

    Args:
        hidden_units: Units of each hidden layer of the network. Without hidden layers, m and l are
            linear in y, for classes a table.
        activation: Activation of the hidden layers.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Sohn et al., 2015](https://papers.nips.cc/paper/5775).
    """

    closed_form = True
    conditional = True

    def __init__(self, hidden_units: Sequence[int] = (64,), activation="tanh", **kwargs):
        super().__init__(**kwargs)
        self.hidden_units = checks.integers("hidden_units", hidden_units) if hidden_units else ()
        self.activation = keras.activations.get(activation)
        options = {"activation": self.activation, "dtype": "float32"}
        self.hidden = [keras.layers.Dense(units, **options) for units in self.hidden_units]

    def build(self, z_shape, y_shape=None) -> None:
        if y_shape is None:
            raise checks.ArgumentError("prior", "must be used with a condition", "no y")
        zeros = {"kernel_initializer": "zeros", "dtype": "float32"}
        self.mean = keras.layers.Dense(z_shape[-1], **zeros)
        self.log_var = keras.layers.Dense(z_shape[-1], **zeros)
        shape = tuple(y_shape)
        for layer in self.hidden:
            layer.build(shape)
            shape = (*shape[:-1], layer.units)
        self.mean.build(shape)
        self.log_var.build(shape)
        self.built = True

    def parameters(self, y) -> tuple[Tensor, Tensor]:
        """Returns mean and log-variance of p(z | y), tensors of shape `(batch, latent_dim)`.

        Args:
            y: Tensor of shape `(batch, width)`.
        """
        for layer in self.hidden:
            y = layer(y)
        return self.mean(y), self.log_var(y)

    def kl(self, z_mean, z_log_var, z=None, y=None) -> Tensor:
        return divergences.normal_kl(z_mean, z_log_var, *self.parameters(y))

    def kl_by_dimension(self, z_mean, z_log_var, y=None) -> Tensor:
        return divergences.normal_kl_by_dimension(z_mean, z_log_var, *self.parameters(y))

    def log_prob(self, z, y=None) -> Tensor:
        return divergences.normal_log_prob(z, *self.parameters(y))

    def transport(self, noise, y=None) -> Tensor:
        mean, deviation = self._mean_and_deviation(y)
        return mean + deviation * noise

    def noise(self, z, y=None) -> Tensor:
        mean, deviation = self._mean_and_deviation(y)
        return (z - mean) / deviation

    def _mean_and_deviation(self, y):
        mean, log_var = self.parameters(y)
        return mean, ops.exp(0.5 * ops.minimum(log_var, divergences.LOG_VAR_LIMIT))

    def get_config(self) -> dict:
        config = {
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
        }
        return {**super().get_config(), **config}
