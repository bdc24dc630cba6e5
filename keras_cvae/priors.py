r"""The prior p(z): what the posterior is compared with, and where `generate` draws from.

A prior is a Keras layer with three methods: `kl(z_mean, z_log_var)`, the closed form;
`log_prob(z)`; and `sample(count, latent_dim, seed)`, in numpy, so that a seed gives the same
latents on every backend.
"""

from __future__ import annotations

import keras
import numpy as np

from keras_cvae import divergences
from keras_cvae.checks import look_up


@keras.saving.register_keras_serializable("keras_cvae")
class StandardNormal(keras.layers.Layer):
    """The standard normal p(z) = N(0, I)."""

    def kl(self, z_mean, z_log_var):
        """KL(q(z|x,y) || p(z)) of shape `(batch,)`, in nats."""
        return divergences.normal_kl(z_mean, z_log_var)

    def log_prob(self, z):
        """Log-density of `z`, shape `(..., latent_dim)`: a tensor of shape `(...)`, in nats."""
        return divergences.normal_log_prob(z)

    def sample(self, count: int, latent_dim: int, seed: int | None = None) -> np.ndarray:
        """Draws `count` latents: a float32 array of shape `(count, latent_dim)`."""
        return np.random.default_rng(seed).standard_normal((count, latent_dim), dtype="float32")


def get(identifier) -> keras.layers.Layer:
    """Returns the prior that `identifier` names, or `identifier` itself if it is one.

    Raises:
        ValueError: If the name is unknown.
    """
    if hasattr(identifier, "log_prob") and not isinstance(identifier, type):
        return identifier
    return look_up("prior", identifier, {"standard_normal": StandardNormal})()
