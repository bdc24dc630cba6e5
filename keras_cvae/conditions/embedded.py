"""The condition of networks inside a graph, where y is a vector already."""

from __future__ import annotations

import keras


class Embedded:
    """The condition of networks inside the graph, whose input is the vector y itself.

    Args:
        width: Length of y.
    """

    def __init__(self, width: int):
        self.width = width

    def wire(self, pixels=None, network=None) -> tuple:
        """Wires the condition as `Condition.wire` does; the only input is y."""
        y = keras.Input((self.width,), name="y")
        return [y], y, y
