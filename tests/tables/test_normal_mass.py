"""The probability of an interval under a standard normal, compared with SciPy."""

import keras
import numpy as np
from scipy import special, stats

from keras_cvae.tables.normal_mass import normal_log_mass

CENTRES = np.array([-60, -12, -5, -3, -1, -0.1, 0, 0.1, 1, 3, 5, 12, 60], "float32")
WIDTHS = np.array([0.02, 0.5, 3, 30], "float32")
LOW = (CENTRES[:, None] - WIDTHS / 2).ravel()
HIGH = (CENTRES[:, None] + WIDTHS / 2).ravel()


def test_the_mass_equals_scipy():
    a, b = np.float64(LOW), np.float64(HIGH)
    a, b = np.where(a + b > 0, -b, a), np.where(a + b > 0, -a, b)
    below, above = special.log_ndtr(a), special.log_ndtr(b)
    expected = above + np.log(-np.expm1(below - above))
    found = keras.ops.convert_to_numpy(normal_log_mass(*map(tensor, (LOW, HIGH))))
    np.testing.assert_allclose(found, expected, rtol=2e-4, atol=2e-4)


def test_gradients_are_those_of_the_ends(gradient):
    """d log P / d high = N(high) / P, and of low minus that."""
    found = gradient(lambda a, b: keras.ops.sum(normal_log_mass(a, b)), LOW, HIGH)
    assert all(np.isfinite(part).all() for part in found)
    near = np.abs(LOW + HIGH) < 11
    mass = stats.norm.cdf(HIGH[near]) - stats.norm.cdf(LOW[near])
    for part, end, sign in zip(found, (LOW, HIGH), (-1, 1), strict=True):
        expected = sign * stats.norm.pdf(end[near]) / mass
        np.testing.assert_allclose(part[near], expected, rtol=5e-3, atol=1e-3)


def tensor(x):
    return keras.ops.convert_to_tensor(x)
