"""Activation functions, by Keras's names."""

from __future__ import annotations

from typing import Any

import keras

from keras_cvae.checks import ArgumentError


def check(activation) -> Any:
    """Checks an activation, and returns it unchanged.

    Args:
        activation: A function, or the name of one of `keras.activations`.

    Raises:
        ValueError: If it is neither a function nor the name of one.
    """
    try:
        keras.activations.get(activation)
    except (TypeError, ValueError):
        expected = "must be a function, or the name of one of `keras.activations`, such as 'relu'"
        raise ArgumentError("activation", expected, repr(activation)) from None
    return activation
