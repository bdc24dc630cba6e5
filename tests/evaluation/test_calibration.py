"""Ranks among samples are uniform, and intervals have their coverage, if a model is calibrated."""

import types

import numpy as np
import pytest
from scipy import stats

from keras_cvae import evaluation

pytestmark = pytest.mark.once


@pytest.mark.parametrize("digits", [None, 0])
def test_ranks_among_more_of_the_same_are_uniform(digits):
    rng = np.random.default_rng(0)
    values, samples = rng.normal(size=2000), rng.normal(size=(20, 2000))
    if digits is not None:  # values that repeat
        values, samples = (np.round(part, digits) for part in (values, samples))
    among = evaluation.ranks(values, samples)
    assert stats.kstest(among, "uniform").pvalue > 1e-3
    assert stats.kstest(evaluation.ranks(values + 1, samples), "uniform").pvalue < 1e-6


def test_missing_cells_have_no_rank_and_missing_samples_none_before():
    samples = np.array([[1.0, 1.0], [np.nan, 3.0]])
    among = evaluation.ranks(np.array([5.0, np.nan]), samples)
    assert 0.5 <= among[0] <= 1 and np.isnan(among[1])


def model(spread):
    """Generates y + spread * N(0, 1), where x = y + N(0, 1), and a constant."""

    def generate(y, count, pixels, seed):
        assert pixels == "sample"
        x = y + spread * np.random.default_rng(seed).normal(size=count)
        return np.stack([x, np.zeros(count)], 1).astype("float32")

    return types.SimpleNamespace(generate=generate)


def test_intervals_cover_their_share_of_a_calibrated_model_and_fewer_of_one_too_narrow():
    rng = np.random.default_rng(1)
    y = rng.normal(size=1500)
    x = np.stack([y + rng.normal(size=1500), np.full(1500, np.nan)], 1)
    for spread, expected in (1.0, 0.8), (0.5, 2 * stats.norm.cdf(0.5 * 1.2816) - 1):
        share, nothing = evaluation.interval_coverage(
            model(spread), x, y, level=0.8, samples=60, seed=0
        )
        assert abs(share.value - expected) < 0.04 and 0 < share.standard_error < 0.02
        assert np.isnan(nothing.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1.0}, "`level` must be"),
        ({"samples": 1}, "`samples` must be an integer of at least 2"),
        ({"x": np.zeros((3, 2, 2))}, "`x` must be vectors, of shape"),
    ],
)
def test_invalid_arguments_raise_an_error(options, message):
    with pytest.raises(ValueError, match=message):
        evaluation.interval_coverage(model(1.0), **{"x": np.zeros((3, 2)), **options})
