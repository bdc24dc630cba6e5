"""Distances between sets of features, against formulas and brute force."""

import numpy as np
import pytest

from keras_cvae import evaluation

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)
MEASURES = evaluation.frechet_distance, evaluation.precision_recall, evaluation.density_coverage


def exactly(mean, covariance, count=50):
    """Points whose sample mean and covariance are exactly these."""
    x = RNG.normal(size=(count, len(mean)))
    x -= x.mean(0)
    x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return x @ np.linalg.cholesky(covariance).T + mean


def test_the_frechet_distance_of_normals():
    """Of covariances that commute it is |m - n|^2 + sum (s_i - t_i)^2."""
    turn, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    s, t = np.array([1.0, 2.0, 0.5]), np.array([0.3, 2.0, 4.0])
    m, n = np.zeros(3), np.array([1.0, -2.0, 0.0])
    real, generated = (exactly(mean, turn @ np.diag(d**2) @ turn.T) for mean, d in ((m, s), (n, t)))
    expected = 5 + np.square(s - t).sum()
    assert evaluation.frechet_distance(real, generated) == pytest.approx(expected)
    assert evaluation.frechet_distance(generated, real) == pytest.approx(expected)
    assert evaluation.frechet_distance(real, real[::-1]) == pytest.approx(0, abs=1e-9)


def test_the_frechet_distance_of_covariances_that_do_not_commute():
    """Of 2 x 2 matrices tr sqrt(A) = sqrt(tr A + 2 sqrt(det A))."""
    a, b = np.array([[2.0, 0.9], [0.9, 1.0]]), np.array([[1.0, -0.5], [-0.5, 3.0]])
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    found = evaluation.frechet_distance(exactly(np.zeros(2), a), exactly(np.zeros(2), b))
    assert found == pytest.approx(np.trace(a + b) - 2 * root)


def test_the_frechet_distance_of_fewer_points_than_features():
    real, generated = RNG.normal(size=(4, 30)), np.zeros((4, 30))
    expected = np.square(real.mean(0)).sum() + np.trace(np.cov(real, rowvar=False))
    assert evaluation.frechet_distance(real, generated) == pytest.approx(expected)


def test_neighbours_by_brute_force():
    real, generated = RNG.normal(size=(40, 3)), 0.7 * RNG.normal(size=(25, 3)) + 0.4

    def distances(a, b):
        return np.array([[np.linalg.norm(p - q) for q in b] for p in a])

    def radii(a, k):
        return np.sort(distances(a, a), axis=1)[:, k]  # the nearest is the point itself

    between = distances(real, generated)
    k = 3
    found = evaluation.precision_recall(real, generated, k)
    assert found["precision"] == np.mean((between <= radii(real, k)[:, None]).any(0))
    assert found["recall"] == np.mean((between <= radii(generated, k)[None]).any(1))
    assert 0 < found["recall"] < 1 and 0 < found["precision"] < 1
    k = 4
    found = evaluation.density_coverage(real, generated, k)
    inside = between <= radii(real, k)[:, None]
    assert found["density"] == pytest.approx(inside.sum() / (k * 25))
    assert found["coverage"] == np.mean(inside.any(1))


def test_equal_and_distant_sets():
    real, like = RNG.normal(size=(2, 3000, 2))
    near = evaluation.density_coverage(real, like, 5)
    assert near["density"] == pytest.approx(1, abs=0.05)
    assert near["coverage"] == pytest.approx(1 - 2.0**-5, abs=0.015)
    for measure in MEASURES[1:]:
        assert set(measure(real, like + 100).values()) == {0.0}
    few = real[:20].repeat(100, axis=0)  # precise, and not varied
    found = evaluation.precision_recall(real, few)
    assert found["precision"] == 1 and found["recall"] < 0.1


@pytest.mark.parametrize("measure", MEASURES)
def test_bad_features(measure):
    x = np.zeros((9, 3))
    with pytest.raises(ValueError, match=r"`generated` must be .* of shape \(any, 3\)"):
        measure(x, x[:, :2])
    with pytest.raises(ValueError, match="`real` must contain . or more. Received: 1"):
        measure(x[:1], x)
    with pytest.raises(ValueError, match="`generated` must be .* Received: NaN"):
        measure(x, np.full_like(x, np.nan))


@pytest.mark.parametrize("measure", MEASURES[1:])
def test_bad_neighbours(measure):
    x = RNG.normal(size=(6, 2))
    with pytest.raises(ValueError, match="`neighbours` must be an integer of at least 1"):
        measure(x, x, 0)
    with pytest.raises(ValueError, match="`real` must contain 7 or more. Received: 6"):
        measure(x, x, 6)
    assert measure(x, x, 5)
