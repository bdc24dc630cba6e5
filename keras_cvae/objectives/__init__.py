"""The objective: which loss layers stand in the graph, and how they are wired."""

from __future__ import annotations

from keras_cvae.checks import look_up
from keras_cvae.objectives.base import Objective
from keras_cvae.objectives.elbo import ELBO
from keras_cvae.objectives.iwae import IWAE

__all__ = ["ELBO", "IWAE", "NAMES", "Objective", "get"]

NAMES = {"elbo": ELBO, "iwae": IWAE}


def get(identifier) -> Objective:
    """Returns the objective that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: One of `NAMES`, or an `Objective`.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(identifier, Objective):
        return identifier
    return look_up("objective", identifier, NAMES)()
