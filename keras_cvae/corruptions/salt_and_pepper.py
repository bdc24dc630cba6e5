"""Salt and pepper noise: some values become black or white."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.corruptions.base import Corruption
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class SaltAndPepper(Corruption):
    """Sets values, each with probability `rate`, to the lower or the upper bound.

    Without bounds, the least and the greatest value of each column or channel in the batch are
    used.

    Args:
        rate: The probability that a value is replaced, with equal probability by each bound, in
            [0, 1].
        bounds: As for `Corruption`.
        seed: As for `Corruption`.

    Raises:
        ValueError: If `rate` is outside [0, 1].
    """

    def __init__(self, rate: float = 0.2, bounds=None, seed: int | None = None, **kwargs):
        super().__init__(bounds, seed, **kwargs)
        self.rate = checks.number("rate", rate, least=0, most=1)

    def corrupt(self, x) -> Tensor:
        low, high = self.bounds or _extremes(x)
        uniform = noise.uniform(ops.shape(x), self.seed_generator)
        salted = ops.where(uniform < self.rate, high, x)
        return ops.where(uniform < 0.5 * self.rate, low, salted)

    def get_config(self) -> dict:
        return {**super().get_config(), "rate": self.rate}


def _extremes(x):
    axes = tuple(range(len(x.shape) - 1))
    return ops.min(x, axes, keepdims=True), ops.max(x, axes, keepdims=True)
