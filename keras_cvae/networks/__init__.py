"""The networks of encoder and decoder: dense, convolutional, residual, hierarchical, own.

A network builds three Keras models, `encoder`, `decoder` and `classifier`, from two functions:
`features` of the image and y, and the likelihood's `parameters` of z and y.
"""

from __future__ import annotations

import keras

from keras_cvae.checks import ArgumentError, member
from keras_cvae.networks.base import Network, as_condition
from keras_cvae.networks.conv import (
    Conv,
    LabelConv2D,
    LabelPlanes,
    build_conv_decoder,
    build_conv_encoder,
)
from keras_cvae.networks.dense import Dense, build_dense_decoder, build_dense_encoder
from keras_cvae.networks.hierarchical import Hierarchical
from keras_cvae.networks.injection import INJECTIONS, FiLM
from keras_cvae.networks.own import Own
from keras_cvae.networks.residual import Residual

__all__ = [
    "INJECTIONS",
    "NAMES",
    "Conv",
    "Dense",
    "FiLM",
    "Hierarchical",
    "LabelConv2D",
    "LabelPlanes",
    "Network",
    "Own",
    "Residual",
    "build_conv_decoder",
    "build_conv_encoder",
    "build_dense_decoder",
    "build_dense_encoder",
    "as_condition",
    "get",
]

NAMES = {"dense": Dense, "conv": Conv, "residual": Residual, "hierarchical": Hierarchical}


def get(identifier) -> Network:
    """Returns the network of a name, or `identifier` itself if it is a network.

    Args:
        identifier: One of `NAMES`, a `Network`, or a pair `(encoder_body, decoder_body)` of Keras
            models, which is `Own(encoder_body, decoder_body)`.

    Raises:
        ValueError: If `identifier` is none of the above.
    """
    if isinstance(identifier, (list, tuple)) and len(identifier) == 2:
        return Own(*identifier)
    if isinstance(identifier, keras.layers.Layer):
        raise ArgumentError(
            "network",
            "must be a pair (encoder_body, decoder_body) of Keras models",
            f"one {type(identifier).__name__}",
        )
    return member("network", identifier, Network, NAMES)
