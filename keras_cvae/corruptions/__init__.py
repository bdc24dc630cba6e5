"""Corruptions of the encoder's input in training."""

from __future__ import annotations

from keras_cvae.checks import member
from keras_cvae.corruptions.base import Corruption
from keras_cvae.corruptions.gaussian import GaussianNoise
from keras_cvae.corruptions.hidden_blocks import HiddenBlocks
from keras_cvae.corruptions.salt_and_pepper import SaltAndPepper

__all__ = ["NAMES", "Corruption", "GaussianNoise", "HiddenBlocks", "SaltAndPepper", "get"]

NAMES = {"gaussian": GaussianNoise, "salt_and_pepper": SaltAndPepper, "blocks": HiddenBlocks}


def get(identifier, **options) -> Corruption:
    """Returns the corruption of a name, or `identifier` itself if it is a corruption.

    Args:
        identifier: One of `NAMES`, or a `Corruption`.
        **options: Arguments of a new corruption, such as its `name`.

    Raises:
        ValueError: If `identifier` is neither.
    """
    return member("corruption", identifier, Corruption, NAMES, **options)
