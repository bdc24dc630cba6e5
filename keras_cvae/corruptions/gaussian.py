"""Normal noise."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.corruptions.base import Corruption
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class GaussianNoise(Corruption):
    """Adds normal noise to every value, x' = x + deviation * eps, eps ~ N(0, I).

    Args:
        deviation: Standard deviation of the noise, in the scale of pixels in [0, 1] or unit scale.
        bounds: As for `Corruption`.
        seed: As for `Corruption`.

    Raises:
        ValueError: If `deviation` is not a finite number of at least 0.
    """

    def __init__(self, deviation: float = 0.3, bounds=None, seed: int | None = None, **kwargs):
        super().__init__(bounds, seed, **kwargs)
        self.deviation = checks.number("deviation", deviation, least=0)

    def corrupt(self, x) -> Tensor:
        return x + self.deviation * noise.normal(ops.shape(x), self.seed_generator)

    def get_config(self) -> dict:
        return {**super().get_config(), "deviation": self.deviation}
