"""The base of all objectives, which wire the graph from the encoder to the output."""

from __future__ import annotations

from keras_cvae import graph, layers
from keras_cvae.checks import ArgumentError
from keras_cvae.recipe import Recipe
from keras_cvae.types import Tensor


class Objective(Recipe):
    """Wires the loss layers, whose terms are the model's loss, into its graph.

    A subclass defines `wire`, and stores its arguments as attributes of the same names, which are
    its config.

    Attributes:
        monitor: The metric of validation data by which the best epoch of a training is chosen:
            `"val_loss"`, or `"val_elbo"` if the loss may increase while the model improves.
    """

    monitor = "val_loss"

    def wire(self, x, encoded, y, parts) -> Tensor:
        """Wires latents, decoder and loss layers.

        Args:
            x: Symbolic pixels, of shape `(batch, *input_shape)`.
            encoded: Outputs of the encoder: z_mean, z_log_var, and features if there are several
                groups of latents.
            y: The symbolic condition, of shape `(batch, width)`, or None.
            parts: The `graph.Parts` of the model.

        Returns:
            The symbolic reconstruction, of the shape of `x`. The layer that owns the likelihood
            must have the name `reconstruction`, those that own the priors `kl`, `kl_2`, ...
        """
        raise NotImplementedError


class OneSample(Objective):
    """-log p(x | z, y) for one sample z ~ q(z | x, y), plus the terms of `divergence`."""

    def divergence(self, group, name: str) -> layers.Divergence:
        """Returns the loss layer between the posterior and the prior of a group of latents.

        Args:
            group: The `graph.Group`.
            name: Name of the layer.
        """
        raise NotImplementedError

    def constrain(self, z, y) -> Tensor:
        """Returns the decoder's input: z, or the output of a loss layer of z and y.

        Args:
            z: Latents of all groups, of shape `(batch, latent_dim)`.
            y: As for `wire`.
        """
        return z

    def wire(self, x, encoded, y, parts) -> Tensor:
        def sample(group, mean, log_var, context):
            sampling = layers.Sampling(name=group.name_of("sampling"))
            divergence = self.divergence(group, group.name_of("kl"))
            rows = 1 if parts.condition is None else parts.condition.rows
            if divergence.compares_examples and rows > 1:
                raise ArgumentError(
                    "objective",
                    f"{type(self).__name__}, which compares the examples of a batch, must be used "
                    "with a condition that has one row for each example",
                    f"{type(parts.condition).__name__}, which has {rows} rows for each",
                )
            arguments = parts.prior_arguments(group, context, mean)
            if not divergence.needs_sample:
                return sampling(divergence([mean, log_var], **arguments))
            return divergence([mean, log_var, sampling([mean, log_var])], **arguments)[2]

        z = self.constrain(graph.latents(encoded, y, parts.groups, sample), y)
        parameters = parts.decoder(graph.join_inputs(z, y))
        return layers.ReconstructionLoss(parts.likelihood, name="reconstruction")([x, parameters])


class OneGroup(OneSample):
    """An objective for models with one group of latents."""

    def wire(self, x, encoded, y, parts) -> Tensor:
        if len(parts.groups) > 1:
            raise ArgumentError(
                "objective",
                f"{type(self).__name__} must be used with one group of latents: with several, the "
                "posterior of one depends on samples of another",
                f"{len(parts.groups)} groups",
            )
        return super().wire(x, encoded, y, parts)
