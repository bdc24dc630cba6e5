"""Scores that know every value that repeats: sampled and scored by the same function."""

import keras
import numpy as np
import pytest
from scipy import stats

from keras_cvae.tables import logistic_scores, quantiles

RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=4000),
    "heaps": np.where(
        RNG.random(4000) < 0.6, 5 * RNG.integers(4, 13, 4000), RNG.integers(20, 60, 4000)
    ),
    "mostly 0": np.where(RNG.random(4000) < 0.9, 0, RNG.integers(1, 40, 4000) ** 3),
    "many values": np.exp(RNG.normal(8, 1, 20_000)).round(),
    "few": RNG.exponential(size=12),
}


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(x):
    return keras.ops.convert_to_tensor(np.float32(x))


@pytest.fixture(params=COLUMNS, ids=str)
def column(request):
    """Cells, and their points as a tensor of one column."""
    cells = np.float32(COLUMNS[request.param])
    return cells, tensor(quantiles.learn(cells)[:, None])


def test_scores_increase_and_are_invertible(column):
    cells, points = column
    numbers, low, high = numpy(points)[:, 0]
    assert (np.diff(numbers) > 0).all() and (low <= high).all() and (low[1:] > high[:-1]).all()
    found = quantiles.score(tensor(cells[:, None]), points)
    assert all(np.isfinite(numpy(part)).all() for part in found)
    back = numpy(quantiles.cell(found.middle, points))[:, 0]
    np.testing.assert_allclose(back, cells, rtol=1e-4, atol=1e-4)
    values, counts = np.unique(cells, return_counts=True)
    frequent = np.isin(cells, values[counts > len(cells) / 400])
    np.testing.assert_array_equal(back[frequent], cells[frequent])


def test_noise_becomes_the_column(column):
    cells, points = column
    drawn = numpy(quantiles.cell(tensor(RNG.normal(size=(20_000, 1))), points))[:, 0]
    most = 1.4 * np.sqrt(1 / 20_000) + 1 / len(cells)
    assert stats.ks_2samp(drawn, cells).statistic < most + 2e-3
    values, counts = np.unique(cells, return_counts=True)
    value, share = values[counts.argmax()], counts.max() / len(cells)
    if counts.max() > 1:
        assert abs((drawn == value).mean() - share) < 0.01


def test_an_interval_has_a_probability_and_the_rest_a_density():
    """Under a mixture of logistics, against their distribution function."""
    cells = np.float32(np.r_[np.repeat([1.0, 2.0], 100), np.linspace(3, 5, 800)])
    points = tensor(quantiles.learn(cells)[:, None])
    parameters = RNG.normal(size=(1, 1, 9)).astype("float32")
    logits, means, log_widths = parameters[0, 0].reshape(3, 3)
    weights = np.exp(logits) / np.exp(logits).sum()
    means, widths = means + [-1.5, 0, 1.5], np.exp(log_widths - 0.7)

    def below(score):
        return (weights * stats.logistic.cdf(score, means, widths)).sum()

    found = quantiles.score(tensor([[1.0], [2.0], [4.0005]]), points)
    log_prob = numpy(logistic_scores.log_prob(found, tensor(parameters.repeat(3, 0)), 3))[:, 0]
    for row in range(2):
        low, high = (float(numpy(end)[row, 0]) for end in (found.low, found.high))
        assert high - low > 0.2
        np.testing.assert_allclose(np.exp(log_prob[row]), below(high) - below(low), rtol=1e-3)
    ends = numpy(quantiles.score(tensor([[3.9], [4.1]]), points).middle)[:, 0]
    np.testing.assert_allclose(
        np.exp(log_prob[2]), (below(ends[1]) - below(ends[0])) / 0.2, rtol=0.05
    )
    drawn = numpy(logistic_scores.sample(tensor(parameters.repeat(20_000, 0)), 3, (1, 2)))
    np.testing.assert_allclose((drawn < ends[0]).mean(), below(ends[0]), atol=0.02)
    half = numpy(logistic_scores.median(tensor(parameters), 3))[0, 0]
    assert half in np.float32(means)
    assert min(abs(below(mean) - 0.5) for mean in means) == pytest.approx(
        abs(below(half) - 0.5), abs=1e-5
    )


@pytest.mark.once
def test_numbers_that_the_data_do_not_have():
    """Between values that repeat and beyond the ends: improbable, not impossible."""
    points = tensor(quantiles.learn(np.repeat([0.0, 1.0, 5.0], 50))[:, None])
    found = quantiles.score(tensor([[0.5], [-100.0], [1e6]]), points)
    log_prob = numpy(logistic_scores.log_prob(found, tensor(np.zeros((3, 1, 9))), 3))[:, 0]
    assert np.isfinite(log_prob).all() and log_prob[0] < -5
    assert (quantiles.learn(np.ones(50)) == quantiles.START).all()
