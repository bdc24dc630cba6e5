"""A probe finds the label in z if z contains it, and only then."""

import numpy as np
import pytest

from keras_cvae import evaluation
from tests.evaluation import known


def parts(count=300):
    y = np.arange(2 * count) % 3
    x = known.data(2 * count)
    return x[:count], y[:count], x[count:], y[count:]


@pytest.mark.parametrize("shift, least, most", [(0.0, 0.2, 0.45), (9.0, 0.97, 1.0)])
def test_a_linear_model_that_shifts_z_by_its_label(shift, least, most):
    corners = shift * np.array([[0, 0], [1, 0], [0, 1]])
    model = known.Linear(3, shift=corners)
    accuracy, chance = evaluation.label_leakage(model.cvae, *parts())
    assert chance == pytest.approx(1 / 3)
    assert least < accuracy.value <= most


def test_leakage_includes_the_noise_of_z():
    """Means that are apart by much less than the noise say nothing, though they are all different.

    The best guess from N(m_y, I) of two classes whose means are 0.02 apart is right half the time.
    """
    model = known.Linear(2, gain=0 * known.GAIN, spread=np.ones(2), shift=0.02 * np.eye(2))
    x, y = known.data(4000), np.arange(4000) % 2
    halves = x[:2000], y[:2000], x[2000:], y[2000:]
    accuracy, chance = evaluation.label_leakage(model.cvae, *halves)
    assert accuracy.value == pytest.approx(chance, abs=4 * accuracy.standard_error)


def test_labels_in_the_data_of_a_model_without_a_condition():
    x, y = known.data(600), np.arange(600) % 2
    x[:, 0] += 8 * y
    accuracy, _ = evaluation.label_leakage(known.Linear().cvae, x[:300], y[:300], x, y)
    assert accuracy.value > 0.97


def test_chance_is_that_of_the_most_frequent_training_label():
    x, y, *test = parts()
    y = np.where(y == 0, 2, y)
    _, chance = evaluation.label_leakage(known.Linear(3).cvae, x, y, *test)
    assert chance == np.mean(test[1] == 2)


def test_a_single_class():
    x, y = known.data(9), np.ones(9, int)
    with pytest.raises(ValueError, match="two classes or more. Received: label .1. alone"):
        evaluation.label_leakage(known.Linear(3).cvae, x, y, x, y)
