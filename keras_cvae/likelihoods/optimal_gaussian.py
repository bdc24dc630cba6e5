"""Real values with normal noise, whose variance is calculated instead of learned."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, terms
from keras_cvae.likelihoods.normal import Normal
from keras_cvae.types import Tensor

LEAST = 1e-6  # least variance, in unit scale: as it goes to 0, the density is unbounded


@keras.saving.register_keras_serializable("keras_cvae")
class OptimalGaussian(Normal):
    r"""`Gaussian` with the variance that is best for each batch (sigma-VAE).

    In a training step the variance, one for all entries, is that of maximum likelihood for the
    batch, the decoder's mean squared error,

    v = 1/(N D) \sum_i |x_i - m_i|^2,   -log p = N D / 2 (log(2 pi v) + 1) for the batch of N.

    At this v the derivative by v is 0, so that the gradient is that of a constant v. v never lags
    behind the decoder, as a learned variance can. Examples have the same weights in v as in the
    loss; K samples of each have equal weights.

    Outside training, densities and samples use the average of v over the training steps, the weight
    `log_variance`, which is saved with the model: the mean of all steps at first, a moving average
    later. Before training v is 1.

    Location and scale are as for `Gaussian`. v is at least 1e-6.

    Args:
        momentum: Momentum of the moving average, in [0, 1).

    Raises:
        ValueError: If `momentum` is not such a number.

    Reference:
        [Rybkin et al., 2021](https://arxiv.org/abs/2006.13202).
    """

    def __init__(self, momentum: float = 0.99, **kwargs):
        super().__init__(variance=1.0, learn_variance=False, **kwargs)
        self.momentum = checks.number("momentum", momentum, least=0, below=1)
        self.steps = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="steps"
        )

    def log_prob_of_batch(self, x, parameters) -> Tensor:
        residuals = self._residuals(x, parameters)
        mean_square = terms.average_of_rows(ops.mean(ops.square(residuals), axis=1))
        variance = ops.maximum(ops.stop_gradient(mean_square), LEAST)
        steps = self.steps + 1.0
        rate = ops.maximum(1.0 / steps, 1.0 - self.momentum)
        average = ops.exp(ops.convert_to_tensor(self.log_variance))
        self.log_variance.assign(ops.log(average + rate * (variance - average)))
        self.steps.assign(steps)
        return self._log_density(residuals, ops.log(variance))

    def get_config(self) -> dict:
        return {**super().get_config(), "momentum": self.momentum}
