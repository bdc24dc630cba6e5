"""The estimate of log p(x) for a model of p(x | y), by a sum over labels."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks, progress
from keras_cvae.evaluation import examples
from keras_cvae.evaluation.likelihood import log_likelihood


def marginal_log_likelihood(
    cvae, x, label_weights=None, *, samples: int = 1000, seed: int = 0, verbose: int = 1
) -> np.ndarray:
    r"""Estimates log p(x) = log \sum_y p(y) p(x | y) of each image.

    Each p(x | y) is estimated with `samples` samples of q(z | x, y), as in `log_likelihood`. The
    estimate of p(x) is unbiased, and the expectation of its logarithm is at most log p(x).

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        x: As for `log_likelihood`.
        label_weights: p(y) up to a factor, such as the count of each label, of shape
            `(num_classes,)`; by default all labels are equally probable.
        samples: The number of samples for each image and label.
        seed: As for `log_likelihood`.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Array of shape `(count,)`, in nats.

    Raises:
        ValueError: If the condition is not one of classes, or an argument is not one of the above.
    """
    count = examples.count_classes(cvae)
    samples = checks.integer("samples", samples, least=1)
    weights = np.ones(count) if label_weights is None else label_weights
    weights = checks.array("label_weights", weights, (count,))
    expected = "must be at least 0, and not all of them 0"
    checks.require(weights.min() >= 0 < weights.max(), "label_weights", expected, weights)
    x = cvae.intake.images(x)
    y = np.flatnonzero(weights)
    total = np.full(len(x), -np.inf)
    bar = progress.bar(len(y), "label", verbose)
    for label in y:
        log_p = log_likelihood(cvae, x, label, samples=samples, seed=seed, verbose=0)
        total = np.logaddexp(total, np.log(weights[label] / weights.sum()) + log_p)
        bar.add(1)
    return total
