"""The prior p(z | y): the posterior is compared with it, and `generate` samples from it."""

from __future__ import annotations

from keras_cvae.checks import look_up, member
from keras_cvae.priors.base import Prior
from keras_cvae.priors.conditional import Conditional
from keras_cvae.priors.flow import Flow
from keras_cvae.priors.mixture import Mixture
from keras_cvae.priors.spline_flow import SplineFlow
from keras_cvae.priors.standard_normal import StandardNormal
from keras_cvae.priors.vamp import VampPrior

NAMES: dict[str, type[Prior]] = {
    "standard_normal": StandardNormal,
    "conditional": Conditional,
    "mixture": Mixture,
    "vamp": VampPrior,
    "flow": Flow,
    "spline_flow": SplineFlow,
}

CANDIDATES = "mixture", "spline_flow"  # fitted by `CVAE.fit_prior(prior="auto")`

__all__ = ["NAMES", "Prior", "get", *(member.__name__ for member in NAMES.values())]


def get(identifier, **options) -> Prior:
    """Returns the prior that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: One of `NAMES`, or a `Prior`.
        **options: Arguments of a new prior, such as its `name`.

    Raises:
        ValueError: If it is neither.
    """
    return member("prior", identifier, Prior, NAMES, **options)


def to_fit(name: str, conditional: bool, size: int) -> dict[str, Prior]:
    """Returns the priors that `CVAE.fit_prior` fits for a name.

    Args:
        name: One of `NAMES`, or `"auto"` for all `CANDIDATES`.
        conditional: Whether there is a y that they may depend on.
        size: The number of latents; `"auto"` leaves out priors that need more.

    Returns:
        Dict of new priors by name.

    Raises:
        ValueError: If the name is none of these.
    """
    if name == "auto":
        names = [each for each in CANDIDATES if size >= NAMES[each].least_latents]
    else:
        look_up("prior", name, {**NAMES, "auto": None})
        names = [name]
    return {each: NAMES[each].to_fit(conditional) for each in names}
