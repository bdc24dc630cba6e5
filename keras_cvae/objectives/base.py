"""What every objective has: a way to wire what lies between encoder and output."""

from __future__ import annotations

from keras_cvae import graph, layers
from keras_cvae.checks import ArgumentError
from keras_cvae.recipe import Recipe
from keras_cvae.types import Tensor


class Objective(Recipe):
    """Wires loss layers into the graph of a model, which alone is what trains.

    A subclass defines `wire`. It keeps its arguments as attributes of their names, of which its
    config is made.
    """

    def wire(self, x, encoded, y, parts) -> Tensor:
        """Wires latents, decoder and loss layers.

        Args:
            x: Symbolic pixels, of shape `(batch, *input_shape)`.
            encoded: What the encoder returned: z_mean, z_log_var, and features where there are
                several groups of latents.
            y: The symbolic condition, of shape `(batch, width)`, or None.
            parts: The `graph.Parts` of the model.

        Returns:
            The symbolic reconstruction, of the shape of `x`. The layer that owns the likelihood is
            called `reconstruction`, and those that own the priors `kl`, `kl_2`, ...
        """
        raise NotImplementedError


class OneSample(Objective):
    """-log p(x | z, y), with one sample z ~ q(z | x, y), and what `divergence` adds to it."""

    def divergence(self, group, name: str) -> layers.Divergence:
        """The loss layer between the posterior and the prior of a group of latents.

        Args:
            group: The `graph.Group`.
            name: What the layer is called.
        """
        raise NotImplementedError

    def constrain(self, z, y) -> Tensor:
        """What the decoder is given of all latents: z, or what a loss layer of z and y returns.

        Args:
            z: All groups' latents, of shape `(batch, latent_dim)`.
            y: As for `wire`.
        """
        return z

    def wire(self, x, encoded, y, parts):
        def draw(group, mean, log_var, context):
            sampling = layers.Sampling(name=group.called("sampling"))
            divergence = self.divergence(group, group.called("kl"))
            rows = 1 if parts.condition is None else parts.condition.rows
            if divergence.compares_examples and rows > 1:
                raise ArgumentError(
                    None,
                    f"`objective` {type(self).__name__} compares the examples of a batch, and must "
                    "be used with a condition that looks at each once",
                    f"{type(parts.condition).__name__}, which makes {rows} rows of each",
                )
            given = parts.prior_arguments(group, context, mean)
            if not divergence.needs_sample:
                return sampling(divergence([mean, log_var], **given))
            return divergence([mean, log_var, sampling([mean, log_var])], **given)[2]

        z = self.constrain(graph.latents(encoded, y, parts.groups, draw), y)
        parameters = parts.decoder(graph.join_inputs(z, y))
        return layers.ReconstructionLoss(parts.likelihood, name="reconstruction")([x, parameters])


class OneGroup(OneSample):
    """An objective of all of z, which is drawn at once: of one group of latents."""

    def wire(self, x, encoded, y, parts) -> Tensor:
        if len(parts.groups) > 1:
            raise ArgumentError(
                None,
                f"`objective` {type(self).__name__} must be used with one group of latents: with "
                "several, the posterior of one depends on samples of another",
                f"{len(parts.groups)}",
            )
        return super().wire(x, encoded, y, parts)
