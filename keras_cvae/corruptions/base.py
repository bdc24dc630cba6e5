"""What every corruption is: a layer that spoils images in training, and lets them be otherwise."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor


class Corruption(Float32Layer):
    r"""Spoils what the encoder sees in training, for it to learn to see through that.

    In a model it stands before the encoder (and the classifier, where labels are inferred); the
    likelihood is of the clean image. The posterior is then q(z | x') of a spoilt image x' ~ p(x' |
    x), and the loss of `fit` is minus a bound of log p(x) still, that of the mixture of these
    posteriors. Outside training nothing is spoilt: validation and `evaluate` have the ELBO of clean
    images, `encoder` and `reconstruct` take images as they are. So `cvae.reconstruct(noisy,
    labels)` restores images that are noisy already.

    Of a model with `binarize` the black and white pixels are spoilt. `SaltAndPepper` then turns
    some over; `GaussianNoise` makes them grey, while `reconstruct` of a model that thresholds takes
    none but black and white.

    A subclass defines `corrupt`; it draws from `self.seed_generator`, by `keras_cvae.noise`.

    Args:
        bounds: `(low, high)`, what spoilt values are held in; None: the support of the pixels of
            the model, where that is bounded and they are not standardised first.
        seed: Optional integer seed.

    Call arguments:
        inputs: Images as the encoder takes them, of shape `(batch, ...)`: at unit scale, where the
            model standardises.
        training: Whether to spoil them.

    Returns:
        Tensor of the same shape, in float32.

    Raises:
        ValueError: If `bounds` are not two finite numbers, the lower one first.

    Reference:
        [Im et al., 2017](https://arxiv.org/abs/1511.06406).
    """

    def __init__(
        self,
        bounds: Sequence[float] | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.bounds = bounds if bounds is None else _pair(bounds)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def corrupt(self, x) -> Tensor:
        """Spoils images: a tensor of the shape of `x`, which may leave the bounds."""
        raise NotImplementedError

    def call(self, inputs, training=False):
        if not training:
            return inputs
        spoilt = self.corrupt(inputs)
        return spoilt if self.bounds is None else ops.clip(spoilt, *self.bounds)

    def compute_output_shape(self, input_shape):
        return input_shape

    def hold_within(self, support: tuple[float, float]) -> None:
        """Sets the bounds where there are none yet, if both ends of the support are finite."""
        if self.bounds is None and all(map(math.isfinite, support)):
            self.bounds = support

    def get_config(self):
        return {**super().get_config(), "bounds": self.bounds, "seed": self.seed}


def _pair(bounds):
    expected = "must be two numbers, the lower one first"
    checks.require(
        isinstance(bounds, (list, tuple)) and len(bounds) == 2, "bounds", expected, repr(bounds)
    )
    low, high = (checks.number("bounds", bound) for bound in bounds)
    checks.require(low < high, "bounds", expected, repr(bounds))
    return low, high
