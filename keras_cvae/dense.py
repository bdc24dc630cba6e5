"""Dense networks: labels are concatenated to the flattened image and to z."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_cvae import networks


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
    inputs, image, one_hot = networks.encoder_inputs(input_shape, condition)
    x = networks.join(keras.layers.Flatten()(image), one_hot)
    x = _hidden(x, hidden_units, activation)
    return networks.ImageModel(inputs, networks.posterior(x, latent_dim), name="encoder")


def build_dense_classifier(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    hidden_units: Sequence[int] = (256,),
    activation="relu",
) -> keras.Model:
    """Builds a dense classifier, logits of q(y | x).

    Args:
        input_shape: Shape of one image or vector, without the batch.
        num_classes: How many classes there are.
        hidden_units: Units of each hidden layer.
        activation: Activation of the hidden layers.

    Returns:
        A model `image` to logits of shape `(batch, num_classes)`.
    """
    image, _, _ = networks.encoder_inputs(input_shape, None)
    x = _hidden(keras.layers.Flatten()(image), hidden_units, activation)
    return networks.ImageModel(image, networks.class_logits(x, num_classes), name="classifier")


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
    inputs, z, one_hot = networks.decoder_inputs(latent_dim, condition)
    x = _hidden(networks.join(z, one_hot), reversed(hidden_units), activation)
    x = keras.layers.Dense(math.prod(input_shape), dtype="float32", name="parameters")(x)
    outputs = keras.layers.Reshape(tuple(input_shape), dtype="float32")(x)
    return keras.Model(inputs, outputs, name="decoder")


def _hidden(x, hidden_units, activation):
    for units in hidden_units:
        x = keras.layers.Dense(units, activation=activation)(x)
    return x
