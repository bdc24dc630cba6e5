"""Quick measures of generated images."""

import numpy as np
import pytest

from keras_cvae.evaluation import neighbours

pytestmark = pytest.mark.once


def test_the_nearest_of_any_number_in_any_part(monkeypatch):
    monkeypatch.setattr(neighbours, "CHUNK", 7)
    rng = np.random.default_rng(0)
    x, others = rng.normal(size=(5, 2, 3)), rng.integers(0, 255, (30, 2, 3), "uint8")
    distances = np.square(x[:, None] - (others[None] / 255.0)).sum((2, 3))
    expected = np.argsort(distances, axis=1)
    for count in (1, 4, 40):
        places = neighbours.nearest(x, others, count, lambda part: part / 255.0)
        np.testing.assert_array_equal(places, expected[:, :count])


def test_agreement_with_the_label_of_the_nearest():
    others = np.eye(4).reshape(4, 2, 2)
    x = others[[0, 1, 2, 3]] * 0.9
    assert neighbours.label_agreement(x, [0, 1, 2, 0], others, np.arange(4)) == 0.75


def test_the_spread_within_groups():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 5000)
    x = rng.normal(10.0 * groups[:, None, None], 2.0, (10_000, 3, 1))
    assert neighbours.spread(x, groups) == pytest.approx(2 * np.sqrt(3), rel=0.02)
    assert np.isnan(neighbours.spread(x[:1], groups[:1]))
