"""A KL divergence that is kept at a capacity, which increases in training."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks
from keras_cvae.objectives.base import OneSample
from keras_cvae.objectives.scheduled import Scheduled, duration
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class CapacityLoss(Scheduled):
    """Loss layer: adds gamma * |KL - C_t|, KL being the average over the batch, in nats.

    Step t of training, from 1, has C_t = capacity * min(t / length, 1); evaluation has capacity.

    Args:
        capacity: Final capacity, in nats.
        gamma: Weight of the distance from the capacity.
        epochs: As for `Scheduled`.
        steps: As for `Scheduled`.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.
    """

    setting = "capacity"

    def __init__(
        self,
        capacity: float = 25.0,
        gamma: float = 10.0,
        epochs=None,
        steps=None,
        prior="standard_normal",
        **kwargs,
    ):
        super().__init__(capacity, epochs, steps, prior, **kwargs)
        self.gamma = checks.number("gamma", gamma, least=0)

    def penalty(self, kl, setting) -> Tensor:
        return self.gamma * ops.abs(kl - setting)

    def get_config(self) -> dict:
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("keras_cvae")
class Capacity(OneSample):
    r"""-log p(x | z, y) + gamma |KL - C_t|, with a capacity C_t that increases from 0.

    KL is KL(q(z | x, y) || p(z | y)), averaged over the batch (with the weights of its examples),
    so that it may differ between examples. Step t of training, from 1, has
    C_t = capacity min(t / length, 1), so that dimensions of z come into use one after another. The
    step is a weight of the layers `kl`: a saved model resumes there. `fit` logs the `capacity` of
    the last step of each epoch. Validation and `evaluate` use the final capacity; `elbo` does not
    depend on it.

    Args:
        capacity: Final capacity, in nats, of each group of latents.
        gamma: Weight of the distance from the capacity. It keeps KL there if it exceeds the nats of
            reconstruction that one nat of KL saves; a much larger one exceeds the gradient of the
            reconstruction.
        epochs: The number of epochs in which the capacity increases; by default 10.
        steps: The number of training steps, in place of `epochs`.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and
            the number of steps in one is unknown, as in some streams.

    Reference:
        [Burgess et al., 2018](https://arxiv.org/abs/1804.03599).
    """

    def __init__(
        self,
        capacity: float = 25.0,
        gamma: float = 10.0,
        epochs: int | None = None,
        steps: int | None = None,
    ):
        self.capacity = checks.number("capacity", capacity, least=0)
        self.gamma = checks.number("gamma", gamma, least=0)
        self.epochs, self.steps = epochs, steps
        self.duration = duration(epochs, steps)

    def divergence(self, group, name) -> CapacityLoss:
        options = {**self.duration, "prior": group.prior, "name": name}
        return CapacityLoss(self.capacity, self.gamma, **options)
