"""Means with their standard errors."""

import numpy as np
import pytest

from keras_cvae import evaluation

pytestmark = pytest.mark.once


def test_the_error_is_how_far_means_scatter():
    rng = np.random.default_rng(0)
    samples = rng.exponential(2.0, size=(4000, 50))
    found = [evaluation.average(sample) for sample in samples]
    scatter = np.std([estimate.value for estimate in found])
    expected = np.sqrt(np.mean([estimate.standard_error**2 for estimate in found]))
    assert scatter == pytest.approx(expected, rel=0.05)


def test_estimates_of_a_share_and_of_a_single_observation():
    share = evaluation.average(np.array([True, False, True, True]))
    assert share.value == 0.75
    assert share.standard_error == pytest.approx(np.sqrt(0.75 * 0.25 / 3))
    assert evaluation.average([3]) == (3.0, None)
