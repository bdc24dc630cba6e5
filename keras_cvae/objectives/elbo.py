"""The evidence lower bound, with a weight on the KL divergence."""

from __future__ import annotations

import keras

from keras_cvae import checks, layers
from keras_cvae.objectives.base import OneSample


@keras.saving.register_keras_serializable("keras_cvae")
class ELBO(OneSample):
    r"""-log p(x | z, y) + beta KL(q(z | x, y) || p(z | y)), with one sample z ~ q(z | x, y).

    Args:
        beta: Weight of the KL divergence; 1 makes the loss minus the ELBO. It is stored as a weight
            of the layers `kl`, which callbacks may assign while `fit` runs.

    Raises:
        ValueError: If `beta` is negative or not finite.

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114); beta:
        [Higgins et al., 2017](https://openreview.net/forum?id=Sy2fzU9gl).
    """

    def __init__(self, beta: float = 1.0):
        self.beta = checks.number("beta", beta, least=0)

    def divergence(self, group, name) -> layers.Divergence:
        return layers.KLDivergence(self.beta, group.prior, name=name)
