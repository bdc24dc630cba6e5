"""Dense networks: y is concatenated to the flattened image and to z, or to every layer."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import keras

from keras_cvae import activations, checks
from keras_cvae.networks.base import Network, flat, join
from keras_cvae.networks.injection import INJECTIONS
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Dense(Network):
    """Dense encoder and decoder.

    Args:
        hidden_units: Units of each hidden layer, from the image inwards; the decoder mirrors them.
        activation: Activation of the hidden layers.
        inject: Where y enters: `"input"`, concatenated to the input of encoder and decoder;
            `"every_layer"`, to that of each hidden layer; or `"film"`, as with `"input"`, and y
            also scales and shifts each hidden unit before its activation, initially by 1 and 0.

    Raises:
        ValueError: If `hidden_units` are not positive integers, or `inject` is unknown.

    Reference:
        [Perez et al., 2018](https://arxiv.org/abs/1709.07871), for scale and shift.
    """

    def __init__(
        self,
        hidden_units: Sequence[int] = (256,),
        activation="relu",
        inject: str = "input",
    ):
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.activation = activations.check(activation)
        checks.look_up("inject", inject, INJECTIONS)
        self.inject = inject

    def features(self, image, y) -> Tensor:
        return self._hidden(keras.layers.Flatten(name="flatten")(image), y, self.hidden_units)

    def parameters(self, z, y, shape) -> Tensor:
        x = self._hidden(z, y, reversed(self.hidden_units))
        x = keras.layers.Dense(math.prod(shape), dtype="float32", name="parameters")(flat(x))
        return keras.layers.Reshape(shape, dtype="float32", name="reshape")(x)

    def _hidden(self, x, y, hidden_units):
        injection = INJECTIONS[self.inject]
        for number, units in enumerate(hidden_units, start=1):
            x = join(x, injection.y_for_input(y, number == 1), f"joined_{number}")
            layer = functools.partial(keras.layers.Dense, units)
            x = injection.apply(layer, x, y, self.activation, number)
        return x


def build_dense_encoder(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    hidden_units: Sequence[int] = (256,),
    activation="relu",
) -> keras.Model:
    """Builds a dense encoder q(z | x, y).

    Args:
        input_shape: Shape of one image or vector, without the batch.
        condition: A number of classes, a condition, or None for a plain VAE.
        latent_dim: Size of z.
        hidden_units: Units of each hidden layer, from the image inwards.
        activation: Activation of the hidden layers.

    Returns:
        A model `[image, label]` (or `image`) to `[z_mean, z_log_var]`, each `(batch, latent_dim)`.
    """
    return Dense(hidden_units, activation).encoder(input_shape, condition, latent_dim)


def build_dense_decoder(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    hidden_units: Sequence[int] = (256,),
    activation="relu",
) -> keras.Model:
    """Builds a dense decoder p(x | z, y).

    Args:
        input_shape: Shape of one image or vector, without the batch.
        condition: A number of classes, a condition, or None for a plain VAE.
        latent_dim: Size of z.
        hidden_units: Units of the encoder, which the decoder mirrors.
        activation: Activation of the hidden layers.

    Returns:
        A model `[z, label]` (or `z`) to likelihood parameters of shape `(batch, *input_shape)`.
    """
    return Dense(hidden_units, activation).decoder(input_shape, condition, latent_dim)
