"""Real values with normal noise."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import noise
from keras_cvae.divergences import LOG_2_PI
from keras_cvae.likelihoods.base import Likelihood, rows


@keras.saving.register_keras_serializable("keras_cvae")
class Gaussian(Likelihood):
    r"""Independent normal pixels around the decoder's output, with one variance for all.

    log p(x | m) = -1/2 sum [ log(2 pi v) + (x - m)^2 / v ]

    Args:
        variance: The variance v, or where learning starts. Positive.
        learn_variance: Whether v is a trainable weight.

    Raises:
        ValueError: If `variance` is not a positive, finite number.
    """

    def __init__(self, variance: float = 1.0, learn_variance: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(variance, (int, float)) and 0 < variance < math.inf):
            raise ValueError(f"`variance` must be a positive number. Received: {variance!r}")
        self.initial_variance = variance
        self.learn_variance = learn_variance
        self.log_variance = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(variance)),
            trainable=learn_variance,
            dtype="float32",
            name="log_variance",
        )
        self.built = True

    def log_prob(self, x, parameters):
        log_variance = ops.convert_to_tensor(self.log_variance)
        squared = ops.square(rows(x) - rows(parameters)) * ops.exp(-log_variance)
        return -0.5 * ops.sum(LOG_2_PI + log_variance + squared, axis=1)

    def mean(self, parameters):
        return ops.cast(parameters, "float32")

    def sample(self, parameters, seed=None):
        mean = self.mean(parameters)
        deviation = ops.exp(0.5 * ops.convert_to_tensor(self.log_variance))
        return mean + deviation * noise.normal(ops.shape(mean), seed)

    def get_config(self):
        config = {"variance": self.initial_variance, "learn_variance": self.learn_variance}
        return {**super().get_config(), **config}
