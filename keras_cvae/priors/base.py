"""What every prior has: a density, a KL divergence, and a way from noise to z."""

from __future__ import annotations

import keras

from keras_cvae import divergences


class Prior(keras.layers.Layer):
    """A distribution p(z | y) of the latents, in float32.

    A subclass defines `log_prob` and `transport`, and `kl` where that has a closed form.

    Attributes:
        closed_form: Whether `kl` needs no sample.
        conditional: Whether the prior depends on y, and so needs it as an argument.
    """

    closed_form = False
    conditional = False

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def build(self, z_shape, y_shape=None):
        """Makes the weights.

        Args:
            z_shape: Shape of latents, `(batch, latent_dim)`.
            y_shape: Shape of the condition, `(batch, width)`, where the prior depends on it.
        """
        self.built = True

    def log_prob(self, z, y=None):
        """Log-density of `z`, shape `(..., latent_dim)`: a tensor of shape `(...)`, in nats."""
        raise NotImplementedError(f"{type(self).__name__} must define `log_prob(z, y)`.")

    def transport(self, noise, y=None):
        """Latents from noise of N(0, I), a tensor of shape `(batch, latent_dim)`.

        The noise is drawn in NumPy, so that a seed gives the same latents on every backend.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `transport(noise, y)`.")

    def kl(self, z_mean, z_log_var, z=None, y=None):
        """KL(q(z|x,y) || p(z|y)) of shape `(batch,)`, in nats; of one sample z by default."""
        return divergences.normal_log_prob(z, z_mean, z_log_var) - self.log_prob(z, y)
