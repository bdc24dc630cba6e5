"""Dense networks: y is concatenated to the flattened image and to z."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_cvae import checks
from keras_cvae.networks.base import Network, flat, join


class Dense(Network):
    """Dense encoder and decoder.

    Args:
        hidden_units: Units of each hidden layer, from the image inwards; the decoder mirrors them.
        activation: Activation of the hidden layers.

    Raises:
        ValueError: If `hidden_units` are not positive integers.
    """

    def __init__(self, hidden_units: Sequence[int] = (256,), activation="relu"):
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.activation = activation

    def features(self, image, y):
        x = join(keras.layers.Flatten()(image), y)
        return self._hidden(x, self.hidden_units)

    def parameters(self, z, y, shape):
        x = self._hidden(join(z, y), reversed(self.hidden_units))
        x = keras.layers.Dense(math.prod(shape), dtype="float32", name="parameters")(flat(x))
        return keras.layers.Reshape(shape, dtype="float32")(x)

    def _hidden(self, x, hidden_units):
        for units in hidden_units:
            x = keras.layers.Dense(units, activation=self.activation)(x)
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
        hidden_units: The encoder's; the decoder mirrors them.
        activation: Activation of the hidden layers.

    Returns:
        A model `[z, label]` (or `z`) to likelihood parameters of shape `(batch, *input_shape)`.
    """
    return Dense(hidden_units, activation).decoder(input_shape, condition, latent_dim)
