"""The base class of all corruptions, layers that corrupt images in training only."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor


class Corruption(Float32Layer):
    r"""Corrupts the input of the encoder in training, so that the encoder learns to ignore noise.

    In a model the layer precedes the encoder (and a classifier of labels), while the likelihood is
    that of the clean image. The posterior is then q(z | x') for a corrupted image x' ~ p(x' | x),
    and the loss of `fit` is still minus a lower bound of log p(x), with the mixture of these
    posteriors. Outside training nothing is corrupted: validation and `evaluate` report the ELBO of
    clean images, and `cvae.reconstruct(noisy, labels)` restores noisy images.

    In a model with `binarize` the black and white pixels are corrupted: `SaltAndPepper` inverts
    some of them, while `GaussianNoise` makes them grey, although `reconstruct` of a model that
    thresholds encodes only black and white pixels.

    A subclass defines `corrupt`, which samples noise with the functions of `keras_cvae.noise` and
    `self.seed_generator`.

    Args:
        bounds: `(low, high)`, to which corrupted values are clipped. None means the support of the
            model's pixels, if it is bounded and the model does not standardise them.
        seed: Optional integer seed.

    Call arguments:
        inputs: Inputs of the encoder, of shape `(batch, ...)`, at unit scale if the model
            standardises.
        training: Whether to corrupt them.

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
        """Returns corrupted images, a tensor of the shape of `x`, which may exceed the bounds."""
        raise NotImplementedError

    def call(self, inputs, training=False) -> Tensor:
        if not training:
            return inputs
        corrupted = self.corrupt(inputs)
        return corrupted if self.bounds is None else ops.clip(corrupted, *self.bounds)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape

    def set_default_bounds(self, support: tuple[float, float]) -> None:
        """Sets the bounds to the support of the pixels, if it is finite and there are no bounds."""
        if self.bounds is None and all(map(math.isfinite, support)):
            self.bounds = support

    def get_config(self) -> dict:
        return {**super().get_config(), "bounds": self.bounds, "seed": self.seed}


def _pair(bounds):
    expected = "must be two numbers, the lower one first"
    checks.require(
        isinstance(bounds, (list, tuple)) and len(bounds) == 2, "bounds", expected, repr(bounds)
    )
    low, high = (checks.number("bounds", bound) for bound in bounds)
    checks.require(low < high, "bounds", expected, repr(bounds))
    return low, high
