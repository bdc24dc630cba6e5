"""The user's own network: any Keras models as bodies of encoder and decoder."""

from __future__ import annotations

import keras

from keras_cvae.checks import ArgumentError
from keras_cvae.copying import copy_of
from keras_cvae.fitting import inside
from keras_cvae.networks.base import Network, flat, join
from keras_cvae.networks.conv import join_planes
from keras_cvae.networks.dense import Dense
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Own(Network):
    """Encoder and decoder around bodies of any Keras layers.

    A `CVAE` trains copies of the bodies, weights included: pretrained weights are kept, frozen
    layers stay frozen, and the bodies do not change. The copies have the names of the bodies:
    `cvae.encoder.get_layer(encoder_body.name)`.

    Args:
        encoder_body: A Keras model. With two inputs it takes `[image, y]`. With one input it takes
            the image, or series, concatenated with y: as constant planes beside the channels if the
            body takes images or series, as more entries of the flattened image if it takes vectors.
            For a body that is not built this follows from its first layers: `Conv2D` takes an
            image, whose channels may be left out, `Conv1D` and `LSTM` a series `(steps, channels)`.
            Two outputs are z_mean and z_log_var; one output is flattened and followed by a dense
            layer for each.
        decoder_body: A Keras model of `[z, y]`, or with one input of their concatenation. It
            returns the likelihood's parameters: logits for Bernoulli pixels, means for normal ones,
            in the shape of an image.
        classifier_body: A Keras model of the image, followed by a dense layer of logits, for
            conditions that infer labels; by default the dense network of this package.

    Raises:
        ValueError: If a body is not a Keras model or layer, or two share weights, which their
            copies would not; in `build_cvae`, if a body does not take its inputs, returns another
            shape, or cannot be copied.
    """

    is_own = True

    def __init__(self, encoder_body, decoder_body, classifier_body=None):
        for body in (encoder_body, decoder_body):
            if not isinstance(body, keras.layers.Layer):
                raise ArgumentError(
                    "network",
                    "must be a pair (encoder_body, decoder_body) of Keras models",
                    f"{body!r}",
                )
        self.encoder_body, self.decoder_body = encoder_body, decoder_body
        self.classifier_body = classifier_body
        bodies = [body for body in (encoder_body, decoder_body, classifier_body) if body]
        weights = [weight for body in bodies for weight in body.weights]
        if len(weights) > len({id(weight) for weight in weights}):
            raise ArgumentError(
                "network",
                "must be of models without common weights, since the `CVAE` trains a copy of each",
                "bodies that share a layer",
            )

    def features(self, image, y) -> Tensor:
        return _apply(self.encoder_body, image, y, "encoder")

    def parameters(self, z, y, shape) -> Tensor:
        outputs = _apply(self.decoder_body, z, y, "decoder")
        received = tuple(getattr(outputs, "shape", (None,))[1:])
        if received != shape:
            raise ArgumentError(
                None,
                "The decoder body must return the shape of the likelihood's parameters, for most "
                f"likelihoods that of an image, {shape}",
                f"{received}",
            )
        return outputs

    def classifier_features(self, image) -> Tensor:
        if self.classifier_body is None:
            return Dense().features(image, None)
        return _apply(self.classifier_body, image, None, "classifier")


def _apply(body, first, y, name):
    takes = [tuple(tensor.shape[1:]) for tensor in body.inputs] if _is_built(body) else []
    axes = len(takes[0]) if takes else _axes_of(body)
    if y is not None and len(takes) == 2:
        inputs = [first, y]
    elif axes == 1 or len(first.shape) == 2:
        inputs = join(flat(first, "flatten"), y)
    else:
        if axes == len(first.shape):  # an image without channels
            first = keras.layers.Reshape((*first.shape[1:], 1), name="reshape")(first)
        inputs = join_planes(first, y)
    shapes = [tuple(tensor.shape[1:]) for tensor in keras.tree.flatten(inputs)]
    if takes and shapes != takes:
        raise ArgumentError(
            None,
            f"The {name} body must take inputs of shape {shapes}, with labels concatenated to the "
            "image or to z",
            f"a model that takes {takes}",
        )
    return copy_of(body)(inputs)


def _is_built(body):
    return body.built and hasattr(body, "inputs")


def _axes_of(body) -> int | None:
    """Returns the number of axes, without the batch, of the input of a body that is not built."""
    for layer in inside.layers(body):
        if isinstance(layer, keras.layers.Reshape):
            return None
        spec = getattr(layer, "input_spec", None)
        axes = getattr(spec, "ndim", None) or getattr(spec, "min_ndim", None) or 0
        if axes > 2:
            return axes - 1
    return None
