"""The base of flows of coupling layers: their networks, exact density and inverse."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import activations, checks, divergences
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor


class Couplings(Prior):
    r"""A normalising flow of couplings: invertible maps that leave a part of z unchanged.

    The parameters of the map of the other part are the output of a dense network of the first part
    and of y. With eps = f(z; y) from N(0, I),

    log p(z | y) = log N(f(z; y); 0, I) + log |det df / dz|.

    A subclass defines `inverse` and `transport`, and adds a network for each coupling in `build`.

    Args:
        couplings: The number of couplings.
        hidden_units: Units of each hidden layer of a coupling's network.
        activation: Activation of the hidden layers.
        conditional: Whether y is an input of the networks.

    Raises:
        ValueError: If an argument is not one of the above; and in `build`, for a single latent,
            which has no parts.
    """

    least_latents = 2

    def __init__(
        self, couplings: int, hidden_units: Sequence[int], activation, conditional: bool, **kwargs
    ):
        super().__init__(**kwargs)
        self.couplings = checks.integer("couplings", couplings, least=1)
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.activation = keras.activations.get(activations.check(activation))
        self.conditional = checks.boolean("conditional", conditional)
        self.networks = []

    def sizes_of(self, z_shape, y_shape) -> tuple[int, int]:
        """Returns the size of z, and the size of y or 0 if the flow does not depend on it.

        Args:
            z_shape: As for `build`.
            y_shape: As for `build`.

        Raises:
            ValueError: If there is a single latent, or no y for a flow that depends on it.
        """
        size = z_shape[-1]
        if self.conditional and y_shape is None:
            raise checks.ArgumentError("prior", "must be used with a condition", "no y")
        is_divisible = size >= self.least_latents
        checks.require(
            is_divisible, "latent_dim", "of a flow must be an integer of at least 2", size
        )
        return size, y_shape[-1] if self.conditional else 0

    def add_network(self, inputs: int, outputs: int) -> None:
        """Adds the network of the next coupling, whose outputs are zeros at first.

        Args:
            inputs: Size of the part of z that is left unchanged, plus the size of y.
            outputs: The number of parameters of the map of the other part.
        """
        options = {"activation": self.activation, "dtype": "float32"}
        layers = [keras.layers.Dense(units, **options) for units in self.hidden_units]
        layers.append(keras.layers.Dense(outputs, kernel_initializer="zeros", dtype="float32"))
        for layer in layers:
            layer.build((None, inputs))
            inputs = layer.units
        self.networks.append(layers)

    def parameters(self, index: int, kept, y=None) -> Tensor:
        """Returns the parameters of a coupling's map, of shape `(..., outputs)`.

        Args:
            index: The number of the coupling, from 0.
            kept: The part of z that is left unchanged, a tensor of shape `(..., size)`.
            y: Tensor of shape `(..., width)`, if the coupling depends on it.
        """
        x = kept if y is None else ops.concatenate([kept, ops.cast(y, kept.dtype)], axis=-1)
        for layer in self.networks[index]:
            x = layer(x)
        return x

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        """Returns the noise of latents, and the log-determinant of the Jacobian.

        Args:
            z: Tensor of shape `(..., latent_dim)`.
            y: Tensor of shape `(..., width)`, if the prior is conditional.

        Returns:
            `(noise, log_det)`: log |det d noise / d z|, of shape `(...)`, in nats.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `inverse(z, y)`.")

    def log_prob(self, z, y=None) -> Tensor:
        noise, log_det = self.inverse(z, y)
        return divergences.normal_log_prob(noise) + log_det

    def noise(self, z, y=None) -> Tensor:
        return self.inverse(z, y)[0]

    def get_config(self) -> dict:
        config = {
            "couplings": self.couplings,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "conditional": self.conditional,
        }
        return {**super().get_config(), **config}
