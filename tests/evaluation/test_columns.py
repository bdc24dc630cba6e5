"""Distances and associations of columns, compared with SciPy."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats.contingency import association

from keras_cvae import evaluation

pytestmark = pytest.mark.once

CATEGORIES = [None, 3, None, 2]


def table(seed, shift=0.0, count=300):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=count)
    rows = np.stack(
        [
            z + shift,
            np.digitize(z + rng.normal(size=count), [-0.5, 0.5]),
            rng.normal(size=count) - z,
            rng.random(count) < 0.4,
        ],
        axis=1,
    )
    rows[rng.random(rows.shape) < 0.1] = np.nan
    return rows.astype("float32")


def known(*columns):
    return np.stack(columns)[:, ~np.isnan(np.stack(columns)).any(0)]


def test_distances():
    real, drawn = table(0), table(1, shift=0.5, count=200)
    found = evaluation.distances(real, drawn, CATEGORIES)
    for column in (0, 2):
        a, b = (part[~np.isnan(part[:, column]), column] for part in (real, drawn))
        assert found[column] == pytest.approx(stats.ks_2samp(a, b).statistic)
    shares = [np.nanmean(part[:, 3]) for part in (real, drawn)]
    assert found[3] == pytest.approx(abs(shares[0] - shares[1]), rel=1e-5)
    assert (evaluation.distances(real, real, CATEGORIES) == 0).all() and found[0] > found[2]


def test_a_column_with_hardly_any_known_cells():
    real, drawn, others = (table(seed) for seed in range(3))
    real[1:, 0] = others[:, 0] = np.nan
    assert np.isfinite(evaluation.distances(real, drawn, CATEGORIES)).all()
    found = evaluation.distances(real, others, CATEGORIES)
    assert np.isnan(found[0]) and np.isfinite(found[1:]).all()
    found = evaluation.likeness(real, drawn, others, CATEGORIES)
    assert np.isfinite([(measure.value, measure.real) for measure in found]).all()


def test_associations():
    rows = table(0)
    found = evaluation.associations(rows, CATEGORIES)
    np.testing.assert_array_equal(found, found.T)
    a, b = known(rows[:, 0], rows[:, 2])
    assert found[0, 2] == pytest.approx(stats.pearsonr(a, b).statistic, rel=1e-4)
    a, b = known(rows[:, 1], rows[:, 3]).astype(int)
    crossed = stats.contingency.crosstab(a, b).count
    assert found[1, 3] == pytest.approx(association(crossed, method="cramer"), rel=1e-5)
    labels, numbers = known(rows[:, 1], rows[:, 0])
    groups = [numbers[labels == label] for label in range(3)]
    f = stats.f_oneway(*groups).statistic  # of which the correlation ratio is a function
    freedom = len(numbers) - 3
    assert found[0, 1] == pytest.approx(np.sqrt(2 * f / (2 * f + freedom)), rel=1e-4)
    same = np.column_stack([rows[:, 0], np.full(300, 2.0), rows[:, 2], rows[:, 3]])
    assert (evaluation.associations(same, CATEGORIES)[1, [0, 2, 3]] < 1e-9).all()


def test_likeness():
    """C2ST discriminates shifted rows, but not rows of the same distribution."""
    real, others = table(0), table(1)
    whole = np.where(np.isnan(others), table(2), others)
    whole = np.where(np.isnan(whole), 0.0, whole)
    alike = {m.name: m for m in evaluation.likeness(real, whole, others, CATEGORIES)}
    shifted = evaluation.likeness(real, table(1, shift=2.0), others, CATEGORIES)
    apart = {m.name: m.value for m in shifted}
    assert alike["C2ST"].value < 0.65 and apart["C2ST"] > 0.8
    assert alike["C2ST"].real == pytest.approx(0.5, abs=0.12)
    assert alike["columns"].value < apart["columns"] and apart["worst column"] > 0.6
    assert alike["pairs of columns"].value < 0.1


def test_shapes_and_trends_are_those_of_their_formulas():
    real, drawn = table(0), table(1, shift=0.5, count=200)
    found = evaluation.shapes(real, drawn, CATEGORIES)
    known_ones = [part[~np.isnan(part[:, 0]), 0] for part in (real, drawn)]
    assert found[0] == pytest.approx(1 - stats.ks_2samp(*known_ones).statistic)
    labels = [np.nan_to_num(part[:, 1], nan=3).astype(int) for part in (real, drawn)]
    shares = [np.bincount(label, minlength=4) / len(label) for label in labels]
    assert found[1] == pytest.approx(1 - np.abs(np.subtract(*shares)).sum() / 2)
    trends = evaluation.trends(real, drawn, CATEGORIES)
    assert len(trends) == 6
    r = [stats.pearsonr(*known(part[:, 0], part[:, 2])).statistic for part in (real, drawn)]
    assert trends[1] == pytest.approx(1 - abs(r[0] - r[1]) / 2, rel=1e-4)
    others = [np.nan_to_num(part[:, 3], nan=2).astype(int) for part in (real, drawn)]
    joint = [
        np.histogram2d(*pair, bins=(np.arange(5), np.arange(4)))[0] / len(pair[0])
        for pair in zip(labels, others, strict=True)
    ]
    assert trends[4] == pytest.approx(1 - np.abs(np.subtract(*joint)).sum() / 2)
    assert evaluation.trends(real, real, CATEGORIES) == pytest.approx(1.0)


def test_copied_rows_have_distance_zero():
    real, others = table(0), table(1)
    assert evaluation.closest(real[:5], real, CATEGORIES) == pytest.approx(0.0, abs=1e-6)
    assert np.median(evaluation.closest(real, others, CATEGORIES)) > 0.05
    rows, away = np.float32([[0, 0, 0, 0]]), np.float32([[0, 1, 0, 0], [0, 2, 0, 1]])
    np.testing.assert_allclose(evaluation.closest(rows, away, CATEGORIES), 1.0)
    named = {measure.name for measure in evaluation.likeness(real, real[::-1], others, CATEGORIES)}
    assert {"column shapes", "pair trends", "closest row"} <= named
