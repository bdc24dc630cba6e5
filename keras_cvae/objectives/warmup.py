"""The evidence lower bound, the KL divergence of which comes in gradually."""

from __future__ import annotations

import keras

from keras_cvae import checks
from keras_cvae.objectives.base import OneSample
from keras_cvae.objectives.scheduled import Scheduled, duration
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class WarmedKLDivergence(Scheduled):
    """Loss layer: adds beta_t * KL(q(z | x, y) || p(z | y)), averaged over the batch, in nats.

    Step t of training, from 1, has beta_t = beta * min(t / length, 1); evaluation has beta.

    Args:
        beta: Weight of the term at the end.
        epochs: As of `Scheduled`.
        steps: As of `Scheduled`.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.
    """

    setting = "beta"
    units = {"beta": "weight"}

    def __init__(
        self, beta: float = 1.0, epochs=None, steps=None, prior="standard_normal", **kwargs
    ):
        super().__init__(beta, epochs, steps, prior, **kwargs)

    def penalty(self, kl, setting) -> Tensor:
        return setting * kl


@keras.saving.register_keras_serializable("keras_cvae")
class Warmup(OneSample):
    r"""-log p(x | z, y) + beta_t KL(q(z | x, y) || p(z | y)), with beta_t rising from 0 to beta.

    It lets the decoder learn to use z before that has its price. Step t of training, from 1, has
    beta_t = beta min(t / length, 1). The steps are counted in weights of the layers `kl`, so that a
    saved model goes on where it was, and `fit` logs the `beta` of the last step of each epoch.

    Validation and `evaluate` have beta itself, so that `val_loss` of different epochs measures the
    same; `elbo` and `val_elbo` are the bound, whatever beta is.

    Args:
        beta: Weight of the KL divergence at the end.
        epochs: For how many epochs beta rises; by default 10.
        steps: For how many steps of training, in place of `epochs`.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and a
            stream does not tell how many steps one has.

    Reference:
        [Bowman et al., 2016](https://arxiv.org/abs/1511.06349);
        [Sønderby et al., 2016](https://arxiv.org/abs/1602.02282).
    """

    def __init__(self, beta: float = 1.0, epochs: int | None = None, steps: int | None = None):
        self.beta = checks.number("beta", beta, least=0)
        self.epochs, self.steps = epochs, steps
        self.duration = duration(epochs, steps)

    def divergence(self, group, name):
        return WarmedKLDivergence(self.beta, **self.duration, prior=group.prior, name=name)
