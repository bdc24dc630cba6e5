"""Corruptions: what spoils an image in training, for the encoder alone."""

from __future__ import annotations

from keras_cvae.checks import member
from keras_cvae.corruptions.base import Corruption
from keras_cvae.corruptions.gaussian import GaussianNoise
from keras_cvae.corruptions.hidden_blocks import HiddenBlocks
from keras_cvae.corruptions.salt_and_pepper import SaltAndPepper

__all__ = ["NAMES", "Corruption", "GaussianNoise", "HiddenBlocks", "SaltAndPepper", "get"]

NAMES = {"gaussian": GaussianNoise, "salt_and_pepper": SaltAndPepper, "blocks": HiddenBlocks}


def get(identifier, **options) -> Corruption:
    """Returns the corruption that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: One of `NAMES`, or a `Corruption`.
        **options: Arguments of a new one, such as its `name`.

    Raises:
        ValueError: If it is neither.
    """
    return member("corruption", identifier, Corruption, NAMES, **options)
