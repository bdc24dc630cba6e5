r"""Residual convolutional networks, whose features y scales and shifts in every block.

    block(h) = h + conv(f(film(conv(f(h)), y)))        film(h, y) = (1 + y A) * h + y B

Activations f come before convolutions, so that nothing but sums lies on the way through the blocks.
The last convolution of a block, A and B start at 0: a block starts as the identity, and FiLM as
scale 1 and shift 0. This is also what stands in for normalisation: features start at the scale of
a plain convolutional network's, however many blocks there are, and nothing normalises. Statistics
of a batch would let q(z | x, y) and p(x | z, y) of an image depend on the images beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras

from keras_cvae import checks
from keras_cvae.networks.base import Network, join
from keras_cvae.networks.conv import LabelConv2D, cut_to, image_shape
from keras_cvae.networks.injection import FiLM


class Residual(Network):
    """Residual convolutional encoder and decoder.

    In the encoder a convolution of stride 2 halves the image before the blocks of each size; in the
    decoder, which mirrors it, the image is repeated to twice its size and convolved behind them. A
    transposed convolution of stride 2 would cost less, but lets its kernel overlap more in some
    pixels than in others, which shows as a checkerboard. What is larger than the image is cropped.
    y is given as to `Conv`, as planes beside the channels and entries beside z, and scales and
    shifts the features of every block.

    Args:
        filters: Filters at each size, from the largest image to the smallest.
        blocks: Residual blocks at each size.
        kernel_size: Size of the kernels.
        activation: Activation before all convolutions but that of the image.

    Raises:
        ValueError: If `filters`, `blocks` or `kernel_size` are not positive integers; and where it
            is built, if the shape is no image's.

    Reference:
        [He et al., 2016](https://arxiv.org/abs/1603.05027), for blocks with the activation first;
        [Zhang et al., 2019](https://arxiv.org/abs/1901.09321), for how they start;
        [Odena et al., 2016](https://distill.pub/2016/deconv-checkerboard), for repeated pixels.
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
        self.activation = activation

    def features(self, image, y):
        shape = tuple(image.shape[1:])
        x = image if len(shape) == 3 else keras.layers.Reshape(image_shape(shape))(image)
        first, *others = self.filters
        if y is None:
            x = self._convolve(x, first, strides=2)
        else:
            x = LabelConv2D(first, self.kernel_size, strides=2)([x, y])
        x = self._through_blocks(x, y)
        for count in others:
            x = self._convolve(self._activate(x), count, strides=2)
            x = self._through_blocks(x, y)
        return self._activate(x)

    def parameters(self, z, y, shape):
        height, width, *others = image_shape(shape)
        scale = 2 ** len(self.filters)
        rows, columns = -(-height // scale), -(-width // scale)
        smallest = rows, columns, self.filters[-1]
        x = keras.layers.Dense(math.prod(smallest))(join(z, y))
        x = keras.layers.Reshape(smallest)(x)
        for count in (*self.filters[-2::-1], self.filters[0]):
            x = self._through_blocks(x, y)
            x = keras.layers.UpSampling2D(2, interpolation="nearest")(self._activate(x))
            x = self._convolve(x, count)
        options = {"dtype": "float32", "name": "parameters"}
        return cut_to(self._convolve(self._activate(x), math.prod(others), **options), shape)

    def _through_blocks(self, x, y):
        count = x.shape[-1]
        for _ in range(self.blocks):
            inner = self._convolve(self._activate(x), count)
            if y is not None:
                inner = FiLM()([inner, y])
            inner = self._convolve(self._activate(inner), count, kernel_initializer="zeros")
            x = keras.layers.Add()([x, inner])
        return x

    def _activate(self, x):
        return keras.layers.Activation(self.activation)(x)

    def _convolve(self, x, count, **options):
        return keras.layers.Conv2D(count, self.kernel_size, padding="same", **options)(x)
