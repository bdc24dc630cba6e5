r"""What every encoder and decoder shares: named inputs, label joining, posterior heads.

Also the two builders that turn a body of the user's own (any Keras model) into an encoder
q(z | x, y) and a decoder p(x | z, y).
"""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import conditions


@keras.saving.register_keras_serializable("keras_cvae")
class ImageModel(keras.Model):
    """A functional model whose input `image` may be uint8: 0..255 is then scaled to [0, 1].

    The scaling happens inside the compiled program, on the device. Built like any functional model:
    `ImageModel(inputs, outputs)`, with `image` the first of the inputs.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

    def call(self, inputs, training=None, mask=None):
        if isinstance(inputs, dict):
            inputs = [inputs[tensor.name] for tensor in self.inputs]
        if isinstance(inputs, (list, tuple)):
            inputs = [_to_unit_interval(inputs[0]), *inputs[1:]]
        else:
            inputs = _to_unit_interval(inputs)
        return super().call(inputs, training=training, mask=mask)


def _to_unit_interval(pixels):
    if keras.backend.standardize_dtype(pixels.dtype) != "uint8":
        return pixels
    return ops.cast(pixels, keras.config.floatx()) / 255.0


def input_like(tensor):
    """A new symbolic input of the shape, data type and name of another."""
    return keras.Input(tuple(tensor.shape[1:]), dtype=tensor.dtype, name=tensor.name)


def encoder_inputs(input_shape, condition):
    """Makes the inputs of an encoder.

    Args:
        input_shape: Shape of one image, without the batch.
        condition: A `conditions.Classes`, a number of classes, or None.

    Returns:
        `(inputs, image, one_hot)`: what the model takes (a list of two, or one tensor), and the two
        tensors to build on; `one_hot` is None without a condition.
    """
    return _with_label(keras.Input(tuple(input_shape), name="image"), condition)


def decoder_inputs(latent_dim, condition):
    """Makes the inputs of a decoder: as `encoder_inputs`, with `z` of shape `(latent_dim,)`."""
    return _with_label(keras.Input((latent_dim,), name="z"), condition)


def _with_label(first, condition):
    condition = conditions.get(condition)
    if condition is None:
        return first, first, None
    label = condition.input()
    return [first, label], first, condition(label)


def join(vector, one_hot):
    """Concatenates a one-hot label to a vector: `(batch, n)` to `(batch, n + num_classes)`."""
    return vector if one_hot is None else keras.layers.Concatenate()([vector, one_hot])


@keras.saving.register_keras_serializable("keras_cvae")
class LabelPlanes(keras.layers.Layer):
    """Concatenates a one-hot label to an image's channels, as constant planes.

    Call arguments:
        inputs: `[image, one_hot]`, of shapes `(batch, height, width, channels)` and
            `(batch, num_classes)`.

    Returns:
        Tensor of shape `(batch, height, width, channels + num_classes)`.
    """

    def call(self, inputs):
        image, one_hot = inputs
        batch, height, width, _ = ops.shape(image)
        planes = ops.broadcast_to(
            one_hot[:, None, None, :], (batch, height, width, one_hot.shape[-1])
        )
        return ops.concatenate([image, planes], axis=-1)

    def compute_output_shape(self, input_shape):
        image, one_hot = input_shape
        return (*image[:-1], image[-1] + one_hot[-1])


def join_planes(image, one_hot):
    """Concatenates a one-hot label to the channels of an image, as constant planes."""
    return image if one_hot is None else LabelPlanes(name="label_planes")([image, one_hot])


def class_logits(features, num_classes):
    """The head of a classifier: logits of shape `(batch, num_classes)`, in float32."""
    if len(features.shape) > 2:
        features = keras.layers.Flatten()(features)
    return keras.layers.Dense(num_classes, dtype="float32", name="logits")(features)


def posterior(features, latent_dim):
    """The heads of q(z | x, y): `[z_mean, z_log_var]`, each of shape `(batch, latent_dim)`.

    Computed in float32 under every dtype policy.
    """
    if len(features.shape) > 2:
        features = keras.layers.Flatten()(features)
    return [
        keras.layers.Dense(latent_dim, dtype="float32", name=name)(features)
        for name in ("z_mean", "z_log_var")
    ]


def build_encoder(body: keras.Model, input_shape, condition, latent_dim: int) -> keras.Model:
    """Builds an encoder q(z | x, y) around a body of any Keras layers.

    Args:
        body: A Keras model. With two inputs it takes `[image, one_hot]`. With one input it takes
            the image with the label joined to it: as constant planes, where the body takes images;
            as more entries of the flattened image, where it takes vectors. With two outputs these
            are z_mean and z_log_var; one output is flattened and followed by a dense layer for
            each.
        input_shape: Shape of one image, without the batch.
        condition: A number of classes or None.
        latent_dim: Size of z.

    Returns:
        A model `[image, label]` (or `image`) to `[z_mean, z_log_var]`.

    Raises:
        ValueError: If the body does not take what it would be given.
    """
    inputs, image, one_hot = encoder_inputs(input_shape, condition)
    outputs = _apply(body, image, one_hot, "encoder")
    if not isinstance(outputs, (list, tuple)):
        outputs = posterior(outputs, latent_dim)
    shapes = [tuple(output.shape[1:]) for output in outputs]
    if shapes != [(latent_dim,)] * 2:
        raise ValueError(
            "The encoder body must return one tensor of features, or z_mean and z_log_var of shape "
            f"({latent_dim},). Received: {shapes}"
        )
    return ImageModel(inputs, list(outputs), name="encoder")


def build_decoder(body: keras.Model, input_shape, condition, latent_dim: int) -> keras.Model:
    """Builds a decoder p(x | z, y) around a body of any Keras layers.

    Args:
        body: A Keras model. With two inputs it takes `[z, one_hot]`, with one the two concatenated.
            It returns the likelihood's parameters: logits for Bernoulli pixels, means for normal
            ones, in the shape of an image.
        input_shape: Shape of one image, without the batch.
        condition: A number of classes or None.
        latent_dim: Size of z.

    Returns:
        A model `[z, label]` (or `z`) to parameters of shape `(batch, *input_shape)`.

    Raises:
        ValueError: If the body does not take what it would be given or returns another shape.
    """
    inputs, z, one_hot = decoder_inputs(latent_dim, condition)
    outputs = _apply(body, z, one_hot, "decoder")
    shape = getattr(outputs, "shape", (None,))[1:]
    if tuple(shape) != tuple(input_shape):
        raise ValueError(
            f"The decoder body must return the shape of an image, {tuple(input_shape)}. "
            f"Received: {tuple(shape)}"
        )
    return keras.Model(inputs, outputs, name="decoder")


def _apply(body, first, one_hot, name):
    takes = [tuple(tensor.shape[1:]) for tensor in body.inputs] if body.built else []
    if one_hot is not None and len(takes) == 2:
        given = [first, one_hot]
    elif len(takes[0] if takes else first.shape[1:]) == 1:
        given = join(first if len(first.shape) == 2 else keras.layers.Flatten()(first), one_hot)
    elif len(first.shape) == 3 and one_hot is not None:
        given = join_planes(keras.layers.Reshape((*first.shape[1:], 1))(first), one_hot)
    else:
        given = join_planes(first, one_hot)
    shapes = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(given)]
    if takes and shapes != takes:
        raise ValueError(
            f"The {name} body is given inputs of shape {shapes}, labels joined to the image or to "
            f"z. Received: a model that takes {takes}"
        )
    return body(given)
