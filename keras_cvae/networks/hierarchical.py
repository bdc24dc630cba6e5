r"""Two groups of latents, top-down.

    z = (z_1, z_2)
    p(z | y) = p(z_1 | y) p(z_2 | z_1, y)
    q(z | x, y) = q(z_1 | x, y) q(z_2 | x, z_1, y)

Both posteriors use the features of one encoder. The prior of the lower group is a network of the
upper group, and each group has its own term of the KL divergence.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_cvae import activations, checks, priors
from keras_cvae.layers import ImageModel
from keras_cvae.networks.base import Network, flat, inputs_with, posterior
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Hierarchical(Network):
    """Any network, with two groups of latents instead of one.

    Args:
        network: The network of features and parameters: a name, an object, or a pair of Keras
            models.
        top_dim: Size of the upper group, by default half of `latent_dim`; the rest is the lower
            group.
        hidden_units: Units of the hidden layers of the lower group's posterior and prior.
        activation: Activation of these layers.

    Raises:
        ValueError: If an argument is not one of the above, or `latent_dim` leaves no lower group.

    Reference:
        [Sønderby et al., 2016](https://arxiv.org/abs/1602.02282), for top-down inference.
    """

    def __init__(
        self,
        network="dense",
        top_dim: int | None = None,
        hidden_units: Sequence[int] = (128,),
        activation="relu",
    ):
        from keras_cvae import networks

        self.network = networks.get(network)
        self.top_dim = top_dim if top_dim is None else checks.integer("top_dim", top_dim, least=1)
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.activation = activations.check(activation)

    def features(self, image, y) -> Tensor:
        return self.network.features(image, y)

    def parameters(self, z, y, shape) -> Tensor:
        return self.network.parameters(z, y, shape)

    def classifier(self, input_shape, num_classes) -> keras.Model:
        return self.network.classifier(input_shape, num_classes)

    def group_sizes(self, latent_dim) -> tuple[int, int]:
        top = latent_dim // 2 if self.top_dim is None else self.top_dim
        if not 0 < top < latent_dim:
            raise checks.ArgumentError(
                "latent_dim",
                "must be at least 2 and above `top_dim`: it is the size of both groups of latents",
                f"latent_dim={latent_dim}, top_dim={self.top_dim}",
            )
        return top, latent_dim - top

    def encoder(self, input_shape, condition, latent_dim) -> keras.Model:
        image = keras.Input(tuple(input_shape), name="image")
        with keras.name_scope("encoder"):
            return self._encoder(image, condition, latent_dim)

    def _encoder(self, image, condition, latent_dim):
        inputs, y = inputs_with(image, condition)
        features = self.features(image, y)
        if isinstance(features, (list, tuple)):
            raise checks.ArgumentError(
                None,
                "The encoder body of a hierarchical network must return one tensor of features",
                f"{len(features)} tensors",
            )
        features = flat(features)
        outputs = posterior(features, self.group_sizes(latent_dim)[0])
        return ImageModel(inputs, [*outputs, features], name="encoder")

    def lower_posterior(self, group, features_shape, width, size) -> keras.Model:
        inputs = keras.Input(features_shape, name="features"), keras.Input((width,), name="above")
        name = f"posterior_{group + 1}"
        with keras.name_scope(name):
            x = keras.layers.Concatenate(name=f"{name}_joined")([*inputs])
            for number, units in enumerate(self.hidden_units, start=1):
                options = {"activation": self.activation, "name": f"{name}_hidden_{number}"}
                x = keras.layers.Dense(units, **options)(x)
            outputs = posterior(x, size, f"_{group + 1}")
        return ImageModel([*inputs], outputs, name=name)

    def lower_prior(self, group) -> priors.Conditional:
        name = f"prior_{group + 1}"
        return priors.Conditional(self.hidden_units, self.activation, name=name)
