"""Calibration of p(x | y): the share of real values within intervals of generated values."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks, noise
from keras_cvae.evaluation.estimates import Estimate, average


def ranks(values: np.ndarray, samples: np.ndarray, seed: int = 0) -> np.ndarray:
    r"""Returns the rank of each value among samples of the same distribution, from 0 to 1.

    With K samples, of which L are less than the value and E equal to it,

    u = (L + U (E + 1)) / (K + 1),    U uniform in [0, 1],

    which is uniform in [0, 1] if the value is one more sample, repeated values included.

    Args:
        values: Array of any shape, NaN where a value is missing.
        samples: Array of shape `(K, *values.shape)`; NaN are ignored.
        seed: Seed of U.

    Returns:
        Array of the shape of `values`; NaN where a value is missing.

    Reference:
        [Gneiting et al., 2007](https://doi.org/10.1111/j.1467-9868.2007.00587.x); as a check of
        simulated posteriors: [Talts et al., 2018](https://arxiv.org/abs/1804.06788).
    """
    less, equal = (samples < values).sum(0), (samples == values).sum(0)
    uniform = np.random.default_rng(seed).random(values.shape)
    rank = (less + uniform * (equal + 1)) / ((~np.isnan(samples)).sum(0) + 1)
    return np.where(np.isnan(values), np.nan, rank)


def interval_coverage(
    cvae, x, y=None, *, level: float = 0.9, samples: int = 100, seed: int | None = None
) -> list[Estimate]:
    """Measures how often intervals of generated values cover the real value of the same condition.

    For each example, values are generated for its condition, and their central interval is
    compared with the example. If p(x | y) is calibrated, intervals of level 0.9 cover 90% of the
    values of examples that the model was not trained on; fewer if p(x | y) is too narrow, more if
    it is too wide. It is meant for `conditions.Vector` and tables, in which each y occurs once.

    Args:
        cvae: A `CVAE`.
        x: Vectors of shape `(examples, size)`, NaN where a value is missing.
        y: Their conditions, as for `fit`; None for a model without a condition.
        level: The share of the generated values in an interval, between 0 and 1.
        samples: Number of generated vectors for each example.
        seed: Seed of the samples; by default as for `CVAE.generate`.

    Returns:
        A list of `size` estimates: for each value, the share of examples that are covered, with its
        standard error; NaN if all are missing.

    Raises:
        ValueError: If an argument is not one of the above.
    """
    x = np.asarray(x)
    checks.require(x.ndim == 2, "x", "must be vectors, of shape (examples, size)", x.shape)
    checks.number("level", level, above=0, below=1)
    count = checks.integer("samples", samples, least=2)
    seed = noise.seed_or_next(seed)
    seeds = np.random.default_rng(seed).integers(2**31, size=count)
    options = {"count": len(x), "pixels": "sample"}
    generated = np.stack([cvae.generate(y, **options, seed=int(each)) for each in seeds])
    return coverage(ranks(x, generated, seed), level)


def coverage(all_ranks: np.ndarray, level: float = 0.9) -> list[Estimate]:
    """Returns the share of the ranks of each column in the central interval.

    Args:
        all_ranks: Ranks of shape `(examples, columns)`, from `ranks`.
        level: As for `interval_coverage`.

    Returns:
        As for `interval_coverage`.
    """
    known = [column[~np.isnan(column)] for column in all_ranks.T]
    inside = [np.abs(column - 0.5) <= level / 2 for column in known]
    nothing = Estimate(np.nan, np.nan)
    return [average(column.astype(float)) if len(column) else nothing for column in inside]
