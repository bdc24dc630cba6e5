"""Convolutional networks: labels are constant planes beside the channels, and entries beside z.

The defaults are the network of TensorFlow's convolutional VAE tutorial, with "same" padding: two
convolutions of stride 2 down, two transposed ones up, for images of any size.
"""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import networks


@keras.saving.register_keras_serializable("keras_cvae")
class LabelConv2D(keras.layers.Layer):
    """Convolves an image and its label, joined as constant planes, without making the planes.

    What a plane of ones contributes to each place of the output is the same for all images: it is
    convolved once for every class (borders included, where the padding cuts kernels off), and each
    image adds that of its label. The weights are those of a `Conv2D` on the image's channels
    followed by the planes, and so is the output.

    Args:
        filters: How many filters there are.
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

    def build(self, input_shape):
        (*_, channels), (*_, num_classes) = input_shape
        shape = (self.kernel_size, self.kernel_size, channels + num_classes, self.filters)
        self.kernel = self.add_weight(shape=shape, name="kernel")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        image, one_hot = inputs
        height, width, channels = image.shape[1:]
        num_classes = one_hot.shape[-1]
        kernel = ops.convert_to_tensor(self.kernel)
        planes = ops.reshape(kernel[:, :, channels:], (*kernel.shape[:2], 1, -1))
        plane = ops.ones((1, height, width, 1), dtype=planes.dtype)
        of_labels = self._convolve(plane, planes)  # (1, rows, columns, num_classes * filters)
        _, rows, columns, _ = of_labels.shape
        of_labels = ops.reshape(of_labels, (rows * columns, num_classes, self.filters))
        of_labels = ops.reshape(ops.transpose(of_labels, (1, 0, 2)), (num_classes, -1))
        of_label = ops.reshape(ops.matmul(one_hot, of_labels), (-1, rows, columns, self.filters))
        outputs = self._convolve(image, kernel[:, :, :channels]) + of_label
        return self.activation(outputs + ops.convert_to_tensor(self.bias))

    def _convolve(self, x, kernel):
        return ops.conv(x, kernel, self.strides, self.padding, data_format="channels_last")

    def get_config(self):
        config = {
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
            "activation": keras.activations.serialize(self.activation),
        }
        return {**super().get_config(), **config}


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
        ValueError: If `input_shape` is no image's.
    """
    inputs, image, one_hot = networks.encoder_inputs(input_shape, condition)
    x = _convolutions(image, one_hot, filters, kernel_size, activation)
    return networks.ImageModel(inputs, networks.posterior(x, latent_dim), name="encoder")


def build_conv_classifier(
    input_shape: Sequence[int],
    num_classes: int,
    *,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    activation="relu",
) -> keras.Model:
    """Builds a convolutional classifier, logits of q(y | x).

    Args:
        input_shape: Shape of one image, `(height, width, channels)` or `(height, width)`.
        num_classes: How many classes there are.
        filters: Filters of each convolution; each halves the image.
        kernel_size: Size of the kernels.
        activation: Activation of the convolutions.

    Returns:
        A model `image` to logits of shape `(batch, num_classes)`.

    Raises:
        ValueError: If `input_shape` is no image's.
    """
    image, _, _ = networks.encoder_inputs(input_shape, None)
    x = _convolutions(image, None, filters, kernel_size, activation)
    return networks.ImageModel(image, networks.class_logits(x, num_classes), name="classifier")


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

    A dense layer makes a small image of `filters[0]` channels, each transposed convolution doubles
    it, and what is larger than the image is cropped.

    Args:
        input_shape: Shape of one image, `(height, width, channels)` or `(height, width)`.
        condition: A number of classes, a condition, or None for a plain VAE.
        latent_dim: Size of z.
        filters: The encoder's; the decoder mirrors them.
        kernel_size: Size of the kernels.
        activation: Activation of all layers but the last.

    Returns:
        A model `[z, label]` (or `z`) to likelihood parameters of shape `(batch, *input_shape)`.

    Raises:
        ValueError: If `input_shape` is no image's.
    """
    height, width, channels = _image_shape(input_shape)
    scale = 2 ** len(filters)
    rows, columns = -(-height // scale), -(-width // scale)
    inputs, z, one_hot = networks.decoder_inputs(latent_dim, condition)
    x = networks.join(z, one_hot)
    x = keras.layers.Dense(rows * columns * filters[0], activation=activation)(x)
    x = keras.layers.Reshape((rows, columns, filters[0]))(x)
    for count in reversed(filters):
        x = keras.layers.Conv2DTranspose(
            count, kernel_size, strides=2, padding="same", activation=activation
        )(x)
    x = keras.layers.Conv2DTranspose(
        channels, kernel_size, padding="same", dtype="float32", name="parameters"
    )(x)
    surplus = rows * scale - height, columns * scale - width
    if any(surplus):
        x = keras.layers.Cropping2D(((0, surplus[0]), (0, surplus[1])), dtype="float32")(x)
    if len(input_shape) == 2:
        x = keras.layers.Reshape(tuple(input_shape), dtype="float32")(x)
    return keras.Model(inputs, x, name="decoder")


def _convolutions(image, one_hot, filters, kernel_size, activation):
    shape = tuple(image.shape[1:])
    x = image if len(shape) == 3 else keras.layers.Reshape(_image_shape(shape))(image)
    options = {"strides": 2, "padding": "same", "activation": activation}
    for index, count in enumerate(filters):
        if index == 0 and one_hot is not None:
            x = LabelConv2D(count, kernel_size, **options)([x, one_hot])
        else:
            x = keras.layers.Conv2D(count, kernel_size, **options)(x)
    return x


def _image_shape(input_shape) -> tuple[int, int, int]:
    if len(input_shape) not in (2, 3):
        raise ValueError(
            "A convolutional network needs `input_shape` (height, width, channels) or "
            f'(height, width); network="dense" takes vectors. Received: {tuple(input_shape)}'
        )
    return (*input_shape, 1) if len(input_shape) == 2 else tuple(input_shape)
