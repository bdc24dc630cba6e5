"""The prior N(0, I), which does not depend on y."""

from __future__ import annotations

import keras

from keras_cvae import divergences
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class StandardNormal(Prior):
    """The standard normal p(z) = N(0, I)."""

    closed_form = True

    def kl(self, z_mean, z_log_var, z=None, y=None) -> Tensor:
        return divergences.normal_kl(z_mean, z_log_var)

    def kl_by_dimension(self, z_mean, z_log_var, y=None) -> Tensor:
        return divergences.normal_kl_by_dimension(z_mean, z_log_var)

    def log_prob(self, z, y=None) -> Tensor:
        return divergences.normal_log_prob(z)

    def transport(self, noise, y=None) -> Tensor:
        return noise

    def noise(self, z, y=None) -> Tensor:
        return z
