"""The evidence lower bound with a weight of the KL divergence that rises in training."""

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
        epochs: As for `Scheduled`.
        steps: As for `Scheduled`.
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

    The decoder learns to use z before the KL divergence is fully penalised. Step t of training,
    from 1, has beta_t = beta min(t / length, 1). The step is a weight of the layers `kl`: a saved
    model resumes there. `fit` logs the `beta` of the last step of each epoch.

    Validation and `evaluate` use the final beta, so that `val_loss` of different epochs is
    comparable; `elbo` and `val_elbo` do not depend on beta.

    Args:
        beta: Final weight of the KL divergence.
        epochs: The number of epochs in which beta rises; by default 10.
        steps: The number of training steps, in place of `epochs`.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and
            the number of steps in one is unknown, as in some streams.

    Reference:
        [Bowman et al., 2016](https://arxiv.org/abs/1511.06349);
        [Sønderby et al., 2016](https://arxiv.org/abs/1602.02282).
    """

    def __init__(self, beta: float = 1.0, epochs: int | None = None, steps: int | None = None):
        self.beta = checks.number("beta", beta, least=0)
        self.epochs, self.steps = epochs, steps
        self.duration = duration(epochs, steps)

    def divergence(self, group, name) -> WarmedKLDivergence:
        return WarmedKLDivergence(self.beta, **self.duration, prior=group.prior, name=name)
