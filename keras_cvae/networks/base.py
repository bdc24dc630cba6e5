"""The base of all networks: named inputs, concatenation of y, the heads of the posterior."""

from __future__ import annotations

import keras

from keras_cvae import conditions
from keras_cvae.checks import ArgumentError
from keras_cvae.copying import own_copy
from keras_cvae.layers import ImageModel
from keras_cvae.recipe import Recipe
from keras_cvae.types import Tensor


class Network(Recipe):
    """Builds encoder q(z | x, y), decoder p(x | z, y) and classifier q(y | x) as Keras models.

    A subclass defines `features` and `parameters`, functions of symbolic tensors, and stores its
    arguments as attributes of the same names, which are its config.

    Attributes:
        is_own: Whether the layers are the user's, so that `build_cvae` checks their output.
    """

    is_own = False

    def features(self, image, y) -> Tensor:
        """Returns features of an image and its condition.

        Args:
            image: Symbolic tensor of shape `(batch, *input_shape)`.
            y: Symbolic tensor of shape `(batch, width)`, or None.

        Returns:
            A tensor of any shape, or a list of z_mean and z_log_var.
        """
        raise NotImplementedError

    def parameters(self, z, y, shape) -> Tensor:
        """Returns the likelihood's parameters of latents and their condition, in float32.

        Args:
            z: Symbolic tensor of shape `(batch, latent_dim)`.
            y: Symbolic tensor of shape `(batch, width)`, or None.
            shape: The shape of the parameters, without the batch.

        Returns:
            A tensor of shape `(batch, *shape)`.
        """
        raise NotImplementedError

    def classifier_features(self, image) -> Tensor:
        """Returns features of an image for the classifier, by default those without a condition."""
        return self.features(image, None)

    def group_sizes(self, latent_dim: int) -> tuple[int, ...]:
        """Returns the sizes of the groups of latents; each group depends on those above it."""
        return (latent_dim,)

    def encoder(self, input_shape, condition, latent_dim: int) -> keras.Model:
        """Builds the encoder.

        Args:
            input_shape: Shape of one image or vector, without the batch.
            condition: A number of classes, a condition, or None.
            latent_dim: Size of z.

        Returns:
            A model `[image, y]` (or `image`) to `[z_mean, z_log_var]`, each `(batch, latent_dim)`.

        Raises:
            ValueError: If the network does not fit the shapes.
        """
        image = keras.Input(tuple(input_shape), name="image")
        # Keras on torch identifies variables by their paths, which must differ between models.
        with keras.name_scope("encoder"):
            inputs, y = inputs_with(image, condition)
            outputs = posterior(self.features(image, y), latent_dim)
        return ImageModel(inputs, outputs, name="encoder")

    def decoder(self, shape, condition, latent_dim: int) -> keras.Model:
        """Builds the decoder.

        Args:
            shape: Shape of the likelihood's parameters for one example, for most likelihoods that
                of an image.
            condition: A number of classes, a condition, or None.
            latent_dim: Size of z.

        Returns:
            A model `[z, y]` (or `z`) to parameters of shape `(batch, *shape)`.

        Raises:
            ValueError: If the network does not fit the shapes.
        """
        z = keras.Input((latent_dim,), name="z")
        with keras.name_scope("decoder"):
            inputs, y = inputs_with(z, condition)
            parameters = self.parameters(z, y, tuple(shape))
        return ImageModel(inputs, parameters, name="decoder")

    def classifier(self, input_shape, num_classes: int) -> keras.Model:
        """Builds the classifier.

        Args:
            input_shape: Shape of one image or vector, without the batch.
            num_classes: The number of classes.

        Returns:
            A model `image` to logits of shape `(batch, num_classes)`.
        """
        image = keras.Input(tuple(input_shape), name="image")
        with keras.name_scope("classifier"):
            features = flat(self.classifier_features(image))
            logits = keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)
        return ImageModel(image, logits, name="classifier")

    def lower_posterior(self, group: int, features_shape, width: int, size: int) -> keras.Model:
        """Builds the posterior of a group of latents below the first.

        Args:
            group: Number of the group, from 1.
            features_shape: Shape of the encoder's features, without the batch.
            width: Length of the concatenation of y and the groups above.
            size: Size of the group.

        Returns:
            A model `[features, above]` to `[z_mean, z_log_var]`.
        """
        raise NotImplementedError

    def lower_prior(self, group: int) -> keras.layers.Layer:
        """Returns the prior of a group of latents below the first, which depends on those above.

        Args:
            group: Number of the group, from 1.
        """
        raise NotImplementedError


def inputs_with(first, condition) -> tuple:
    """Makes the inputs of a network, and y.

    Args:
        first: The symbolic image or z.
        condition: A number of classes, a condition, or None.

    Returns:
        `(inputs, y)`: the inputs of the model, a list or one tensor, and the symbolic vector y, or
        None without a condition.
    """
    condition = own_copy(conditions.get, condition, "condition")
    if condition is None:
        return first, None
    inputs, _, y = condition.wire(None, None)
    return [first, *inputs], y


def flat(tensor, name: str = "flat_features") -> Tensor:
    """Reshapes a symbolic tensor to `(batch, n)`."""
    return keras.layers.Flatten(name=name)(tensor) if len(tensor.shape) > 2 else tensor


def join(vector, y, name: str = "joined") -> Tensor:
    """Concatenates a condition to a vector: `(batch, n)` to `(batch, n + width)`."""
    return vector if y is None else keras.layers.Concatenate(name=name)([vector, y])


def posterior(features, latent_dim, suffix: str = "") -> list[Tensor]:
    """Returns the heads of q(z | x, y), `[z_mean, z_log_var]`, each `(batch, latent_dim)`.

    They are computed in float32 under every dtype policy.

    Args:
        features: Symbolic features, or a list of the two heads, which is returned.
        latent_dim: Size of z.
        suffix: Suffix of the layers' names, `z_mean` and `z_log_var`.

    Raises:
        ValueError: If `features` is a list of other tensors.
    """
    if isinstance(features, (list, tuple)):
        shapes = [tuple(tensor.shape[1:]) for tensor in features]
        if shapes != [(latent_dim,)] * 2:
            raise ArgumentError(
                None,
                "The encoder body must return one tensor of features, or z_mean and z_log_var of "
                f"shape ({latent_dim},)",
                f"{shapes}",
            )
        return list(features)
    features = flat(features)
    return [
        keras.layers.Dense(latent_dim, dtype="float32", name=f"{name}{suffix}")(features)
        for name in ("z_mean", "z_log_var")
    ]


def as_condition(y) -> conditions.Embedded | None:
    """Returns the condition of a network inside a graph, where y is a symbolic vector or None."""
    return None if y is None else conditions.Embedded(y.shape[-1])
