"""The condition y: what is known of an example, and what stands for it where it is not known.

A condition is a Keras layer. It makes its named inputs, turns their values into one vector y of
shape `(batch, width)`, and checks what a user gives for them. The vector is computed once, in the
outer graph, and handed to encoder, decoder, prior and classifier alike. What is unknown is all
zeros there.
"""

from __future__ import annotations

from keras_cvae.conditions import classes
from keras_cvae.conditions.attributes import Attributes
from keras_cvae.conditions.base import HIDDEN, Condition, Embedded
from keras_cvae.conditions.classes import Classes
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
    """Returns the condition that `identifier` stands for.

    Args:
        identifier: A number of classes, a list of their names, a condition, or None for no
            condition.
        **options: Arguments of a new one, such as its `name`.

    Returns:
        The condition itself where it is one.

    Raises:
        ValueError: If it is none of these.
    """
    if identifier is None or isinstance(identifier, (Condition, Embedded)):
        return identifier
    return classes.of(identifier, **options)
