"""What every objective has: a way to wire what lies between encoder and output."""

from __future__ import annotations


class Objective:
    """Wires loss layers into the graph of a model. Its traces are these layers; none is saved."""

    def wire(self, x, encoded, y, parts):
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
