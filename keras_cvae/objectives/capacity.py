"""A KL divergence that is held to a capacity, which rises in training."""

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
        capacity: What the KL divergence is held to at the end, in nats.
        gamma: Weight of the distance from it.
        epochs: As of `Scheduled`.
        steps: As of `Scheduled`.
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

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("keras_cvae")
class Capacity(OneSample):
    r"""-log p(x | z, y) + gamma |KL - C_t|, with a capacity C_t that rises from 0.

    KL is KL(q(z | x, y) || p(z | y)), averaged over the batch (with the weights of its examples),
    so that one example may take more than another. Step t of training, from 1, has
    C_t = capacity min(t / length, 1): dimensions of z come into use one after another. The steps
    are counted in weights of the layers `kl`, so that a saved model goes on where it was, and `fit`
    logs the `capacity` of the last step of each epoch. Validation and `evaluate` have the capacity
    of the end; `elbo` is the bound as ever.

    Args:
        capacity: What the KL divergence is held to at the end, in nats; of several groups of
            latents each by itself.
        gamma: Weight of the distance from it. What is above the nats of reconstruction that a nat
            of KL divergence saves holds it there; much more drowns the reconstruction's gradient.
        epochs: For how many epochs the capacity rises; by default 10.
        steps: For how many steps of training, in place of `epochs`.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if there are `epochs` and a
            stream does not tell how many steps one has.

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

    def divergence(self, group, name):
        options = {**self.duration, "prior": group.prior, "name": name}
        return CapacityLoss(self.capacity, self.gamma, **options)
