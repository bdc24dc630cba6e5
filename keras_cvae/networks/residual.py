r"""Residual convolutional networks in which y scales and shifts the features of every block.

    block(h) = h + conv(f(film(conv(f(h)), y)))        film(h, y) = (1 + y A) * h + y B

Activations f come before convolutions, so that the path through the blocks has only sums. The last
convolution of a block, A and B start at 0: initially a block is the identity, and FiLM has scale 1
and shift 0. There is no normalisation: with this initialisation features start at the scale of a
plain convolutional network for any number of blocks, and with batch statistics q(z | x, y) and
p(x | z, y) of an image would depend on the other images of the batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_cvae import activations, checks
from keras_cvae.networks.base import Network, join
from keras_cvae.networks.conv import LabelConv2D, cut_to, image_shape, with_channels
from keras_cvae.networks.injection import FiLM
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Residual(Network):
    """Residual convolutional encoder and decoder.

    In the encoder a convolution of stride 2 halves the image before the blocks of each size. The
    decoder mirrors it: after the blocks the image is upsampled by 2 and convolved. A transposed
    convolution of stride 2 would be cheaper, but its kernels overlap more in some pixels than in
    others, which shows as a checkerboard. The result is cropped to the image. y enters as in
    `Conv`, as planes beside the channels and entries beside z, and scales and shifts the features
    of every block.

    Args:
        filters: Filters at each size, from the largest image to the smallest.
        blocks: Residual blocks at each size.
        kernel_size: Size of the kernels.
        activation: Activation before all convolutions but that of the image.

    Raises:
        ValueError: If `filters`, `blocks` or `kernel_size` are not positive integers; in
            `build_cvae`, if the shape is not that of an image.

    Reference:
        [He et al., 2016](https://arxiv.org/abs/1603.05027), for blocks with the activation first;
        [Zhang et al., 2019](https://arxiv.org/abs/1901.09321), for their initialisation;
        [Odena et al., 2016](https://distill.pub/2016/deconv-checkerboard), for upsampling.
    """

    def __init__(
        self,
        filters: Sequence[int] = (64, 128, 256),
        blocks: int = 1,
        kernel_size: int = 3,
        activation="relu",
    ):
        self.filters = checks.integers("filters", filters)
        self.blocks = checks.integer("blocks", blocks, least=1)
        self.kernel_size = checks.integer("kernel_size", kernel_size, least=1)
        self.activation = activations.check(activation)

    def features(self, image, y) -> Tensor:
        x = with_channels(image)
        first, *others = self.filters
        if y is None:
            x = self._convolve(x, first, "hidden_1", strides=2)
        else:
            x = LabelConv2D(first, self.kernel_size, strides=2, name="hidden_1")([x, y])
        x = self._through_blocks(x, y, 1)
        for number, count in enumerate(others, start=2):
            x = self._activate(x, f"activation_{number - 1}")
            x = self._convolve(x, count, f"hidden_{number}", strides=2)
            x = self._through_blocks(x, y, number)
        return self._activate(x, f"activation_{len(self.filters)}")

    def parameters(self, z, y, shape) -> Tensor:
        height, width, *others = image_shape(shape)
        scale = 2 ** len(self.filters)
        rows, columns = -(-height // scale), -(-width // scale)
        smallest = rows, columns, self.filters[-1]
        x = keras.layers.Dense(math.prod(smallest), name="hidden_1")(join(z, y))
        x = keras.layers.Reshape(smallest, name="feature_map")(x)
        for number, count in enumerate((*self.filters[-2::-1], self.filters[0]), start=1):
            x = self._activate(self._through_blocks(x, y, number), f"activation_{number}")
            upsampling = {"interpolation": "nearest", "name": f"upsampling_{number}"}
            x = keras.layers.UpSampling2D(2, **upsampling)(x)
            x = self._convolve(x, count, f"hidden_{number + 1}")
        x = self._activate(x, f"activation_{number + 1}")
        return cut_to(self._convolve(x, math.prod(others), "parameters", dtype="float32"), shape)

    def _through_blocks(self, x, y, size):
        """Applies the blocks of one size; `block_2_1` is the first block of the second size."""
        count = x.shape[-1]
        for number in range(1, self.blocks + 1):
            block = f"block_{size}_{number}"
            inner = self._activate(x, f"{block}_activation_1")
            inner = self._convolve(inner, count, f"{block}_conv_1")
            if y is not None:
                inner = FiLM(name=f"{block}_film")([inner, y])
            inner = self._activate(inner, f"{block}_activation_2")
            inner = self._convolve(inner, count, f"{block}_conv_2", kernel_initializer="zeros")
            x = keras.layers.Add(name=block)([x, inner])
        return x

    def _activate(self, x, name):
        return keras.layers.Activation(self.activation, name=name)(x)

    def _convolve(self, x, count, name, **options):
        options = {"padding": "same", "name": name, **options}
        return keras.layers.Conv2D(count, self.kernel_size, **options)(x)
