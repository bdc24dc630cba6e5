"""Objectives: the loss layers of a graph and their wiring."""

from __future__ import annotations

from keras_cvae.checks import member
from keras_cvae.objectives.adversary import Adversary
from keras_cvae.objectives.base import Objective
from keras_cvae.objectives.capacity import Capacity
from keras_cvae.objectives.elbo import ELBO
from keras_cvae.objectives.free_bits import FreeBits
from keras_cvae.objectives.iwae import IWAE
from keras_cvae.objectives.mmd import MMD
from keras_cvae.objectives.total_correlation import TotalCorrelation
from keras_cvae.objectives.warmup import Warmup

__all__ = [
    "ELBO",
    "IWAE",
    "MMD",
    "NAMES",
    "Adversary",
    "Capacity",
    "FreeBits",
    "Objective",
    "TotalCorrelation",
    "Warmup",
    "get",
]

NAMES = {
    "elbo": ELBO,
    "warmup": Warmup,
    "free_bits": FreeBits,
    "capacity": Capacity,
    "iwae": IWAE,
    "total_correlation": TotalCorrelation,
    "mmd": MMD,
    "adversary": Adversary,
}


def get(identifier) -> Objective:
    """Returns the objective that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: One of `NAMES`, or an `Objective`.

    Raises:
        ValueError: If `identifier` is neither.
    """
    return member("objective", identifier, Objective, NAMES)
