"""Real values with normal noise."""

from __future__ import annotations

import keras

from keras_cvae import checks
from keras_cvae.likelihoods.normal import Normal


@keras.saving.register_keras_serializable("keras_cvae")
class Gaussian(Normal):
    r"""Independent normal entries around the decoder's output, with one variance for all.

    log p(x | m) = -1/2 sum [ log(2 pi v s^2) + (x - l - s m)^2 / (v s^2) ]

    Location l and scale s are the mean and the standard deviation of every column of a table, every
    channel of a series, and every channel of images that are far from unit scale; for pixels in
    [0, 1] they are 0 and 1. So the decoder's output is always in unit scale, while densities, means
    and samples are in the units of x. A constant column has a scale of 1.

    Args:
        variance: The variance v, positive, or its initial value; by default it is learned, from
            0.1. For a column it is the share of noise in the variance s^2: noise of a known
            variance w, in the square of the column's unit, is `w / x.var()`. For pixels it is the
            variance itself. A variance much larger than the decoder's mean squared error makes the
            KL divergence collapse to 0.
        learn_variance: Whether v is a trainable weight; by default it is if `variance` is None.

    Raises:
        ValueError: If `variance` is not a positive, finite number.

    Reference:
        [Rybkin et al., 2021](https://arxiv.org/abs/2006.13202), for learning the variance.
    """

    def __init__(self, variance: float | None = None, learn_variance: bool | None = None, **kwargs):
        initial = 0.1 if variance is None else checks.number("variance", variance, above=0)
        is_learned = variance is None
        if learn_variance is not None:
            is_learned = checks.boolean("learn_variance", learn_variance)
        super().__init__(initial, is_learned, **kwargs)
        self.initial_variance, self.learn_variance = initial, is_learned

    def get_config(self) -> dict:
        config = {"variance": self.initial_variance, "learn_variance": self.learn_variance}
        return {**super().get_config(), **config}
