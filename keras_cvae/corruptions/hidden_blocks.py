"""Cutout: hidden blocks of an image."""

from __future__ import annotations

import functools

import keras
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.corruptions.base import Corruption
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class HiddenBlocks(Corruption):
    """Sets blocks at random places of each example to one value (Cutout).

    A block is a rectangle of an image, in all channels, or consecutive entries of a vector. It lies
    inside the image; blocks may overlap.

    Args:
        size: Length of each side of a block, as a share of that of the image, in (0, 1].
        count: The number of blocks.
        value: Value of the blocks: 0 is black, or the mean of standardised data.
        bounds: As for `Corruption`.
        seed: As for `Corruption`.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [DeVries and Taylor, 2017](https://arxiv.org/abs/1708.04552), for blocks hidden in training.
    """

    def __init__(
        self,
        size: float = 0.4,
        count: int = 1,
        value: float = 0.0,
        bounds=None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(bounds, seed, **kwargs)
        self.size = checks.number("size", size, above=0, most=1)
        self.count = checks.integer("count", count, least=1)
        self.value = checks.number("value", value)

    def corrupt(self, x) -> Tensor:
        sides = x.shape[1:3]
        along = []
        for axis, side in enumerate(sides):
            shape = [side if i == axis else 1 for i in range(len(sides))]
            inside = self._inside(ops.shape(x)[0], side)
            along.append(ops.reshape(inside, (-1, self.count, *shape)))
        hidden = ops.any(functools.reduce(ops.logical_and, along), axis=1)
        hidden = ops.reshape(hidden, (-1, *sides, *[1] * len(x.shape[3:])))
        return ops.where(hidden, self.value, x)

    def _inside(self, rows, side):
        """Returns whether each position along a side is in each block, `(rows, blocks, side)`."""
        length = max(1, round(self.size * side))
        uniform = noise.uniform((rows, self.count, 1), self.seed_generator)
        start = ops.floor(uniform * (side - length + 1))
        position = ops.arange(side, dtype="float32")
        return ops.logical_and(position >= start, position < start + length)

    def get_config(self) -> dict:
        config = {"size": self.size, "count": self.count, "value": self.value}
        return {**super().get_config(), **config}
