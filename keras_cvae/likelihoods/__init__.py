r"""The likelihood p(x | z, y), whose parameters are the decoder's output.

`NAMES` holds the likelihoods of the package by their names; that of a table is `tables.Columns`.
For one of your own, subclass `Likelihood` and define `log_prob` and `mean`.
"""

from __future__ import annotations

from keras_cvae.checks import ArgumentError, member
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.likelihoods.bernoulli import Bernoulli
from keras_cvae.likelihoods.categorical import Categorical
from keras_cvae.likelihoods.continuous_bernoulli import ContinuousBernoulli
from keras_cvae.likelihoods.gaussian import Gaussian
from keras_cvae.likelihoods.logistic_mixture import LogisticMixture
from keras_cvae.likelihoods.negative_binomial import NegativeBinomial
from keras_cvae.likelihoods.optimal_gaussian import OptimalGaussian
from keras_cvae.likelihoods.poisson import Poisson

NAMES = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "logistic_mixture": LogisticMixture,
    "categorical": Categorical,
    "continuous_bernoulli": ContinuousBernoulli,
    "optimal_gaussian": OptimalGaussian,
    "poisson": Poisson,
    "negative_binomial": NegativeBinomial,
}

__all__ = ["NAMES", "Likelihood", "get", *(member.__name__ for member in NAMES.values())]


def get(identifier, **options) -> Likelihood:
    """Returns the likelihood that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: A name in `NAMES` or a `Likelihood`.
        **options: Arguments of a new one, such as its `name`.

    Raises:
        ValueError: If it is neither.
    """
    if not isinstance(identifier, (str, Likelihood)):
        raise ArgumentError(
            "likelihood",
            "must be a name or a `likelihoods.Likelihood` (subclass it and define "
            "log_prob and mean)",
            f"{identifier!r}",
        )
    return member("likelihood", identifier, Likelihood, NAMES, **options)
