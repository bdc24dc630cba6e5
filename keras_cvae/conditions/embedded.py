"""The condition of networks inside the graph of a model, whose input is the vector y."""

from __future__ import annotations

import keras


class Embedded:
    """The condition of networks inside the graph of a model, whose input is the vector y.

    Args:
        width: Length of y.
    """

    def __init__(self, width: int):
        self.width = width

    def wire(self, pixels=None, network=None) -> tuple:
        """Wires the condition as `Condition.wire` does; y is the only input."""
        y = keras.Input((self.width,), name="y")
        return [y], y, y
