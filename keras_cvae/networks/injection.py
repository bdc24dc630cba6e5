"""Injection of y into the hidden layers of a network: by concatenation, or by scale and shift."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
from keras import ops

from keras_cvae.types import Tensor


@dataclasses.dataclass(frozen=True)
class Injection:
    """How y enters the hidden layers of a network.

    Attributes:
        everywhere: Whether y is concatenated to the input of every layer, not only of the first.
        modulates: Whether y scales and shifts each layer's output before its activation.
    """

    everywhere: bool = False
    modulates: bool = False

    def y_for_input(self, y, is_first: bool) -> Tensor:
        """Returns y if it is concatenated to a layer's input, otherwise None."""
        return y if is_first or self.everywhere else None

    def apply(self, layer: Callable, x, y, activation, number: int) -> Tensor:
        """Applies a hidden layer, whose output y may scale and shift.

        The last layer has the name `hidden_1`, or that of another number.

        Args:
            layer: Function that makes the layer, of `activation` and `name`.
            x: Input of the layer.
            y: Symbolic tensor of shape `(batch, width)`, or None.
            activation: The activation.
            number: Number of the hidden layer, from 1.
        """
        name = f"hidden_{number}"
        if y is None or not self.modulates:
            return layer(activation=activation, name=name)(x)
        x = FiLM(name=f"film_{number}")([layer(name=f"linear_{number}")(x), y])
        return keras.layers.Activation(activation, name=name)(x)


INJECTIONS = {
    "input": Injection(),
    "every_layer": Injection(everywhere=True),
    "film": Injection(modulates=True),
}


@keras.saving.register_keras_serializable("keras_cvae")
class FiLM(keras.layers.Layer):
    r"""Scales and shifts each channel by linear functions of y: (1 + y A) * x + y B.

    Initially A = B = 0, the identity. For an unknown label, a y of zeros, it remains the identity.

    Call arguments:
        inputs: `[x, y]`, of shapes `(batch, ..., channels)` and `(batch, width_of_y)`.

    Returns:
        Tensor of the shape of x.

    Reference:
        [Perez et al., 2018](https://arxiv.org/abs/1709.07871).
    """

    def build(self, input_shape) -> None:
        (*_, channels), (*_, width) = input_shape
        options = {"shape": (width, channels), "initializer": "zeros"}
        self.scale = self.add_weight(**options, name="scale")
        self.shift = self.add_weight(**options, name="shift")

    def call(self, inputs) -> Tensor:
        x, y = inputs
        shape = (-1, *(1 for _ in x.shape[1:-1]), x.shape[-1])
        scale, shift = (
            ops.reshape(ops.matmul(y, kernel), shape) for kernel in (self.scale, self.shift)
        )
        return (1 + scale) * x + shift

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[0]
