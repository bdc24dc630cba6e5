"""Convolutional networks: y is added to the channels as constant planes, and to z as entries.

The defaults are the network of TensorFlow's convolutional VAE tutorial, with "same" padding: two
convolutions of stride 2 down, two transposed ones up, for images of any size.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import activations, checks
from keras_cvae.networks.base import Network, join
from keras_cvae.networks.injection import INJECTIONS
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Conv(Network):
    """Convolutional encoder and decoder.

    Each convolution of the encoder halves the image. In the decoder a dense layer makes a small
    image of `filters[0]` channels, each transposed convolution doubles it, and the result is
    cropped to the image.

    Args:
        filters: Filters of each convolution; the decoder mirrors them.
        kernel_size: Size of the kernels.
        activation: Activation of all layers but the last.
        inject: Where y enters, as for `networks.Dense`: `"input"`, `"every_layer"`, as planes
            beside the channels, or `"film"`, which scales and shifts channels.

    Raises:
        ValueError: If `filters` or `kernel_size` are not positive integers, or `inject` is unknown;
            in `build_cvae`, if the shape is not that of an image.
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 64),
        kernel_size: int = 3,
        activation="relu",
        inject: str = "input",
    ):
        self.filters = checks.integers("filters", filters)
        self.kernel_size = checks.integer("kernel_size", kernel_size, least=1)
        self.activation = activations.check(activation)
        checks.look_up("inject", inject, INJECTIONS)
        self.inject = inject

    def features(self, image, y) -> Tensor:
        x = with_channels(image)
        for number, count in enumerate(self.filters, start=1):
            joined = INJECTIONS[self.inject].y_for_input(y, number == 1)
            kind = keras.layers.Conv2D if joined is None else LabelConv2D
            x = self._convolve(kind, count, x if joined is None else [x, joined], y, number)
        return x

    def parameters(self, z, y, shape) -> Tensor:
        height, width, *others = image_shape(shape)
        scale = 2 ** len(self.filters)
        rows, columns = -(-height // scale), -(-width // scale)
        units = rows * columns * self.filters[0]
        injection = INJECTIONS[self.inject]
        layer = functools.partial(keras.layers.Dense, units)
        x = injection.apply(layer, join(z, y), y, self.activation, 1)
        x = keras.layers.Reshape((rows, columns, self.filters[0]), name="feature_map")(x)
        for number, count in enumerate(reversed(self.filters), start=2):
            joined = join_planes(x, injection.y_for_input(y, is_first=False), f"joined_{number}")
            x = self._convolve(keras.layers.Conv2DTranspose, count, joined, y, number)
        options = {"padding": "same", "dtype": "float32", "name": "parameters"}
        x = keras.layers.Conv2DTranspose(math.prod(others), self.kernel_size, **options)(x)
        return cut_to(x, shape)

    def _convolve(self, kind, count, x, y, number):
        options = {"strides": 2, "padding": "same"}
        layer = functools.partial(kind, count, self.kernel_size, **options)
        return INJECTIONS[self.inject].apply(layer, x, y, self.activation, number)


def build_conv_encoder(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    activation="relu",
) -> keras.Model:
    """Builds a convolutional encoder q(z | x, y).

    Args:
        input_shape: Shape of one image, `(height, width, channels)` or `(height, width)`.
        condition: A number of classes, a condition, or None for a plain VAE.
        latent_dim: Size of z.
        filters: Filters of each convolution; each halves the image.
        kernel_size: Size of the kernels.
        activation: Activation of the convolutions.

    Returns:
        A model `[image, label]` (or `image`) to `[z_mean, z_log_var]`, each `(batch, latent_dim)`.

    Raises:
        ValueError: If `input_shape` is not the shape of an image.
    """
    return Conv(filters, kernel_size, activation).encoder(input_shape, condition, latent_dim)


def build_conv_decoder(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    activation="relu",
) -> keras.Model:
    """Builds a convolutional decoder p(x | z, y).

    Args:
        input_shape: Shape of one image, `(height, width, channels)` or `(height, width)`.
        condition: A number of classes, a condition, or None for a plain VAE.
        latent_dim: Size of z.
        filters: Filters of the encoder, which the decoder mirrors.
        kernel_size: Size of the kernels.
        activation: Activation of all layers but the last.

    Returns:
        A model `[z, label]` (or `z`) to likelihood parameters of shape `(batch, *input_shape)`.

    Raises:
        ValueError: If `input_shape` is not the shape of an image.
    """
    return Conv(filters, kernel_size, activation).decoder(input_shape, condition, latent_dim)


@keras.saving.register_keras_serializable("keras_cvae")
class LabelPlanes(keras.layers.Layer):
    """Concatenates a one-hot label to the channels of an image or a series, as constant planes.

    Call arguments:
        inputs: `[image, one_hot]`, of shapes `(batch, height, width, channels)`, or for a series
            `(batch, steps, channels)`, and `(batch, num_classes)`.

    Returns:
        Tensor of shape `(batch, height, width, channels + num_classes)`, or for a series
        `(batch, steps, channels + num_classes)`.
    """

    def call(self, inputs) -> Tensor:
        image, one_hot = inputs
        batch, *places, _ = ops.shape(image)
        width = one_hot.shape[-1]
        one = ops.reshape(one_hot, (-1, *(1 for _ in places), width))
        return ops.concatenate([image, ops.broadcast_to(one, (batch, *places, width))], axis=-1)

    def compute_output_shape(self, input_shape) -> tuple:
        image, one_hot = input_shape
        return (*image[:-1], image[-1] + one_hot[-1])


def join_planes(image, one_hot, name: str = "joined") -> Tensor:
    """Concatenates a one-hot label to the channels of an image, as constant planes."""
    return image if one_hot is None else LabelPlanes(name=name)([image, one_hot])


@keras.saving.register_keras_serializable("keras_cvae")
class LabelConv2D(keras.layers.Layer):
    """Convolves an image and its label, concatenated as constant planes, without the planes.

    The contribution of a plane of ones to the output is the same for all images: it is computed
    once for every class (borders included, where padding cuts kernels off), and each image adds
    that of its label. Weights and output are those of a `Conv2D` on the image's channels followed
    by the planes.

    Args:
        filters: The number of filters.
        kernel_size: Height and width of the kernels.
        strides: Stride along both axes.
        padding: `"same"` or `"valid"`.
        activation: Activation function.

    Call arguments:
        inputs: `[image, one_hot]`, of shapes `(batch, height, width, channels)` and
            `(batch, num_classes)`.

    Returns:
        Tensor of shape `(batch, new_height, new_width, filters)`.
    """

    def __init__(self, filters, kernel_size, strides=1, padding="same", activation=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.kernel_size = filters, kernel_size
        self.strides, self.padding = strides, padding
        self.activation = keras.activations.get(activation)

    def build(self, input_shape) -> None:
        (*_, channels), (*_, num_classes) = input_shape
        shape = (self.kernel_size, self.kernel_size, channels + num_classes, self.filters)
        self.kernel = self.add_weight(shape=shape, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs) -> Tensor:
        image, one_hot = inputs
        height, width, channels = image.shape[1:]
        num_classes = one_hot.shape[-1]
        kernel = ops.convert_to_tensor(self.kernel)
        # In torch's export to ONNX a slice has no known shape, a product has.
        of_image, of_classes = np.split(np.eye(channels + num_classes, dtype="float32"), [channels])
        of_image = self._channels(kernel, of_image)
        planes = ops.reshape(self._channels(kernel, of_classes), (*kernel.shape[:2], 1, -1))
        plane = ops.ones((1, height, width, 1), dtype=planes.dtype)
        of_labels = self._convolve(plane, planes)  # (1, rows, columns, num_classes * filters)
        _, rows, columns, _ = of_labels.shape
        of_labels = ops.reshape(of_labels, (rows * columns, num_classes, self.filters))
        of_labels = ops.reshape(ops.transpose(of_labels, (1, 0, 2)), (num_classes, -1))
        of_label = ops.reshape(ops.matmul(one_hot, of_labels), (-1, rows, columns, self.filters))
        outputs = self._convolve(image, of_image) + of_label
        return self.activation(outputs + ops.convert_to_tensor(self.bias))

    def compute_output_shape(self, input_shape) -> tuple:
        image, _ = input_shape
        kernel = (self.kernel_size, self.kernel_size, image[-1], self.filters)
        return self._convolve(keras.KerasTensor(image), keras.KerasTensor(kernel)).shape

    def _channels(self, kernel, choice):
        """Returns some channels of a kernel, chosen by a matrix of zeros and ones."""
        return ops.matmul(ops.cast(choice, kernel.dtype), kernel)

    def _convolve(self, x, kernel):
        return ops.conv(x, kernel, self.strides, self.padding, data_format="channels_last")

    def get_config(self) -> dict:
        config = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
        }
        return {**super().get_config(), **config}


def image_shape(shape) -> tuple[int, ...]:
    """Returns `(height, width, ...)` of an image's shape, in which channels may be left out.

    Raises:
        ValueError: If it is not the shape of an image.
    """
    if len(shape) < 2:
        raise checks.ArgumentError(
            "input_shape",
            "must be (height, width, channels) or (height, width) for a convolutional network; "
            'network="dense" takes vectors',
            tuple(shape),
        )
    return (*shape, 1) if len(shape) == 2 else tuple(shape)


def with_channels(image) -> Tensor:
    """Returns a symbolic image with an axis of channels, adding one if it is left out."""
    shape = image_shape(tuple(image.shape[1:]))
    return image if len(image.shape) == 4 else keras.layers.Reshape(shape, name="reshape")(image)


def cut_to(x, shape) -> Tensor:
    """Crops a symbolic image at the bottom and the right to `(batch, *shape)`, in float32."""
    surplus = [(0, size - wanted) for size, wanted in zip(x.shape[1:3], shape[:2], strict=True)]
    if surplus != [(0, 0), (0, 0)]:
        x = keras.layers.Cropping2D(surplus, dtype="float32", name="crop")(x)
    if tuple(x.shape[1:]) != shape:
        x = keras.layers.Reshape(shape, dtype="float32", name="reshape")(x)
    return x
