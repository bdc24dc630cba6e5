"""Conditions: class labels, vectors, images or several attributes, embedded as a vector y.

A condition is a Keras layer. It creates its named inputs, checks their values, and embeds them as
one vector y of shape `(batch, width)`. The graph of the model computes y once, and passes it to
encoder, decoder and prior. The vector y of an unknown value is all zeros.
"""

from __future__ import annotations

from keras_cvae.conditions import classes
from keras_cvae.conditions.attributes import Attributes
from keras_cvae.conditions.base import HIDDEN, Condition
from keras_cvae.conditions.classes import Classes
from keras_cvae.conditions.embedded import Embedded
from keras_cvae.conditions.enumerated import Enumerated
from keras_cvae.conditions.image import Image
from keras_cvae.conditions.inferred import Inferred
from keras_cvae.conditions.naming import UNKNOWN
from keras_cvae.conditions.vector import Vector

__all__ = [
    "HIDDEN",
    "UNKNOWN",
    "Attributes",
    "Classes",
    "Condition",
    "Embedded",
    "Enumerated",
    "Image",
    "Inferred",
    "Vector",
    "get",
]


def get(identifier, **options) -> Condition | Embedded | None:
    """Returns a condition.

    Args:
        identifier: A number of classes, a list of their names, a condition, or None.
        **options: Arguments of a new condition, such as its `name`.

    Returns:
        The condition; `identifier` itself if it is a condition already.

    Raises:
        ValueError: If `identifier` is none of the above.
    """
    if identifier is None or isinstance(identifier, (Condition, Embedded)):
        return identifier
    return classes.of(identifier, **options)
