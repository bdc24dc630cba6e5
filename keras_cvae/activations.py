"""Activation functions, by Keras's names."""

from __future__ import annotations

from typing import Any

import keras

from keras_cvae.checks import ArgumentError


def checked(activation) -> Any:
    """Returns an argument `activation` as it is.

    Raises:
        ValueError: If it is neither a function nor the name of one.
    """
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError):
        expected = "must be a function, or the name of one of `keras.activations`, such as 'relu'"
        raise ArgumentError("activation", expected, repr(activation)) from None
    return activation
