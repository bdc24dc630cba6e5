"""Scores of how unusual an example is under a model, for detecting anomalies."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks
from keras_cvae.evaluation.likelihood import log_likelihood, terms


def _reconstruction(cvae, x, y, samples, **options):
    return terms(cvae, x, y, draws=samples, **options)["reconstruction"]


def _elbo(cvae, x, y, samples, **options):
    return -terms(cvae, x, y, draws=samples, **options)["elbo"]


def _log_likelihood(cvae, x, y, samples, **options):
    return -log_likelihood(cvae, x, y, samples=samples, **options)


KINDS = {"reconstruction": _reconstruction, "elbo": _elbo, "log_likelihood": _log_likelihood}


def anomaly_score(
    cvae, x, y=None, *, kind: str = "elbo", samples: int = 16, seed: int = 0, verbose: int = 0
) -> np.ndarray:
    """Scores examples: the greater, the less they are like the training data.

    Args:
        cvae: A `CVAE`.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        y: Labels or other conditions, as for `log_likelihood`.
        kind: `"reconstruction"`, -E_q log p(x | z, y), the error of the reconstruction; `"elbo"`,
            minus the ELBO, which also includes how unusual z is; or `"log_likelihood"`, minus the
            importance-weighted log p(x | y).
        samples: The number of samples of z for each example.
        seed: Seed of the samples.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Array of shape `(count,)`, in nats.

    Raises:
        ValueError: If an argument is not one of the above, or x or y are invalid.

    Example:
    ```python
    scores = evaluation.anomaly_score(cvae, x_test)
    unusual = x_test[scores > np.quantile(evaluation.anomaly_score(cvae, x_train), 0.99)]
    ```

    Reference:
        [An and Cho, 2015](http://dm.snu.ac.kr/static/docs/TR/SNUDM-TR-2015-03.pdf), for the
        reconstruction probability.
    """
    score = checks.look_up("kind", kind, KINDS)
    samples = checks.integer("samples", samples, least=1)
    return score(cvae, x, y, samples, seed=seed, verbose=verbose)
