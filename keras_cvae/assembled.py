"""What a conditional VAE is made of: the parts of its graph, and the models cut from it."""

from __future__ import annotations

import functools

import keras

from keras_cvae import fitting, graph


class AssembledVAE(fitting.FusedModel):
    """A `CVAE` before it is trained or used: its parts, by name, and the models that share them."""

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """Model `[image, label]` (or `image`) to `[z_mean, z_log_var]`.

        Where labels are inferred it takes the image alone, and its most probable class is y; where
        they are enumerated, the label too, and the most probable class is y of an unknown one.
        With dynamic binarisation it takes grey pixels as they are: its output is no matter of
        chance.
        """
        return graph.cut_encoder(self)

    @functools.cached_property
    def decoder(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to likelihood parameters: logits for Bernoulli pixels."""
        return graph.cut_decoder(self)

    @functools.cached_property
    def generator(self) -> keras.Model:
        """Model `[noise, label]` (or `noise`) to the mean image, in [0, 1] for Bernoulli pixels.

        The noise is of N(0, I), which for the standard normal prior is z itself; a learned prior
        carries it to z.
        """
        return graph.cut_generator(self)

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """Model `image` to the probabilities q(y | x) of each class, where labels are inferred.

        Raises:
            ValueError: If the model does not infer labels.
        """
        if not self.infers_label:
            raise ValueError(
                "This model is given its labels and has no classifier; build one with "
                "`condition=conditions.Inferred(10)`."
            )
        return graph.cut_classifier(self)

    @functools.cached_property
    def _drawings(self) -> keras.Model:
        """Model `[noise, temperature, label]` to the mean image."""
        return graph.cut_generator(self, self.likelihood)

    @functools.cached_property
    def _drawn_parameters(self) -> keras.Model:
        """Model `[noise, temperature, label]` to the likelihood's parameters."""
        return graph.cut_generator(self, lambda parameters: parameters)

    @functools.cached_property
    def _pictures(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to the mean image."""
        return graph.cut_decoder(self, self.likelihood)

    @functools.cached_property
    def _parts(self) -> graph.Parts:
        return graph.read(self)

    @property
    def condition(self) -> keras.layers.Layer | None:
        """The condition y, an object of `keras_cvae.conditions`; None for a plain VAE."""
        return self._parts.condition

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, the image's first."""
        return [tensor.name for tensor in self.inputs]

    @property
    def infers_label(self) -> bool:
        """Whether the label is predicted from the image rather than given."""
        return self.condition is not None and self.condition.infers

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.inputs[0].shape[1:])

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where the condition is not one of classes."""
        return getattr(self.condition, "num_classes", None)

    @property
    def latent_dim(self) -> int:
        """Size of z, all groups of latents together."""
        return self._parts.latent_dim

    @property
    def likelihood(self) -> keras.layers.Layer:
        """The likelihood p(x | z, y)."""
        return self._parts.likelihood

    @property
    def prior(self) -> keras.layers.Layer:
        """The prior p(z | y), of the first group of latents where there are more."""
        return self._parts.groups[0].prior

    @property
    def prior_size(self) -> int:
        """How many latents the prior is of: `latent_dim`, unless there are more groups of them."""
        return self._parts.groups[0].size

    @property
    def elbo_terms(self) -> tuple[str, ...]:
        """Names of the terms whose sum is minus the ELBO."""
        of_y = () if self.condition is None else self.condition.cost_names
        return ("reconstruction", *self.kl_terms, *of_y)

    @property
    def kl_terms(self) -> tuple[str, ...]:
        """Names of those that are of z: the KL divergence of each group of latents."""
        return tuple(group.called("kl") for group in self._parts.groups)

    @property
    def support(self) -> tuple[float, float]:
        """The bounds that pixels must lie in."""
        return self.likelihood.support if self.binarize is None else (0.0, 1.0)

    @property
    def binarize(self) -> keras.layers.Layer | None:
        """The layer that makes pixels black or white; None where they are taken as they are."""
        return self._parts.binarize

    @property
    def corruption(self) -> keras.layers.Layer | None:
        """The layer that spoils what the encoder sees in training; None where nothing does."""
        return self._parts.corruption
