"""Layers that scale or binarise pixels before the encoder."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, noise, terms
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
class UnitInterval(Float32Layer):
    """Scales images of 0..255 to [0, 1]; leaves those in [0, 1] unchanged.

    An example with a value above 1 counts as one of 0..255. `CVAE` and its submodels scale uint8 by
    its type, which is right for all-black images too; this layer serves models that a user cuts
    from the graph, to which Keras passes floats. In a step of a `CVAE` it does nothing.

    Call arguments:
        inputs: Tensor of shape `(batch, ...)`.

    Returns:
        Tensor of the same shape, in [0, 1].
    """

    def call(self, inputs) -> Tensor:
        if terms.current() is not None:
            return inputs
        axes = tuple(range(1, len(inputs.shape)))
        top = ops.max(inputs, axis=axes, keepdims=True)
        return inputs * ops.where(top > 1.0, 1.0 / 255.0, 1.0)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape


def _threshold(pixels, seed):
    return pixels > 0.5


def _dynamic(pixels, seed):
    return noise.uniform(ops.shape(pixels), seed) < pixels


@register
class Binarize(Float32Layer):
    """Makes grey pixels black or white, in float32 under every dtype policy.

    Args:
        mode: `"threshold"` (1 above a half) or `"dynamic"` (sampled at every call, with a pixel's
            grey value as its probability of 1).
        seed: Optional integer seed for `"dynamic"`.

    Call arguments:
        inputs: Pixels in [0, 1], of any shape.

    Returns:
        Pixels that are 0 or 1, of the same shape.

    Raises:
        ValueError: If `mode` is unknown.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519), for dynamic binarisation.
    """

    MODES = {"threshold": _threshold, "dynamic": _dynamic}

    def __init__(self, mode: str = "threshold", seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self._binarize = checks.look_up("binarize", mode, self.MODES)
        self.mode = mode
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @classmethod
    def get(cls, identifier, **options) -> Binarize:
        """Returns the layer of a mode, or `identifier` itself if it is a layer.

        Args:
            identifier: One of `MODES`, or a `Binarize`.
            **options: Arguments of a new layer, such as its `name`.

        Raises:
            ValueError: If `identifier` is neither.
        """
        return identifier if isinstance(identifier, cls) else cls(identifier, **options)

    @property
    def is_random(self) -> bool:
        """Whether the output is random."""
        return self.mode == "dynamic"

    def call(self, inputs) -> Tensor:
        return ops.cast(self._binarize(inputs, self.seed_generator), "float32")

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}
