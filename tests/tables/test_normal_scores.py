"""Normal scores: a monotone map whose density is one, and whose draws are as the column was."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from scipy import stats

from keras_cvae.tables import normal_scores


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def scores_of(cells, knots):
    """Scores of the cells of one column."""
    given = np.float32(cells).reshape(-1, 1), np.float32(knots)[:, None]
    found = normal_scores.score(*map(tensor, given))
    return normal_scores.Scores(*(numpy(part)[:, 0] for part in found))


def cells_of(scores, knots):
    given = np.float32(scores).reshape(-1, 1), np.float32(knots)[:, None]
    return numpy(normal_scores.cell(*map(tensor, given)))[:, 0]


def tensor(x):
    return keras.ops.convert_to_tensor(x)


RNG = np.random.default_rng(0)
COLUMNS = {
    "normal": RNG.normal(size=4000),
    "skewed": RNG.lognormal(sigma=1.2, size=4000),
    "bounded": RNG.random(4000),
    "of two modes": np.where(RNG.random(4000) < 0.3, -3, 3) + 0.4 * RNG.normal(size=4000),
    "mostly 0": np.where(RNG.random(4000) < 0.6, 0.0, RNG.gamma(2, 10, size=4000)),
    "few": RNG.exponential(size=60),
}


@pytest.fixture(params=COLUMNS, ids=str)
def column(request):
    """Cells in unit scale, and their knots."""
    cells = COLUMNS[request.param]
    cells = (cells - cells.mean()) / cells.std()
    return cells, normal_scores.learn(cells)


def test_scores_of_a_known_distribution():
    """Of log-normal cells they are log x."""
    cells = COLUMNS["skewed"]
    scores = scores_of(cells, normal_scores.learn(cells)).middle
    expected = np.log(cells) / 1.2
    assert np.abs(scores - expected)[np.abs(expected) < 2].max() < 0.1
    assert np.abs(scores - expected).max() < 0.6


def test_the_probabilities_sum_to_one(column):
    """What is not repeated by its density, what is by the interval of its scores."""
    _, knots = column
    nodes, weights = np.polynomial.legendre.leggauss(16)
    low, high = knots[2, 1:-2, None], knots[2, 2:-1, None]
    found = scores_of((low + high) / 2 + (high - low) / 2 * nodes, knots)
    density = np.exp(stats.norm.logpdf(found.middle) + found.log_slope).reshape(-1, 16)
    is_repeated = (found.high > found.low).reshape(-1, 16)
    of_segments = ((high - low) / 2 * weights * np.where(is_repeated, 0.0, density)).sum()
    ends = {pair for pair in zip(found.low, found.high, strict=True) if pair[0] < pair[1]}
    of_values = sum(stats.norm.cdf(high) - stats.norm.cdf(low) for low, high in ends)
    beyond = 2 * stats.norm.sf(knots[0, -2])  # the least and the greatest
    np.testing.assert_allclose(of_segments + of_values + beyond, 1.0, rtol=1e-3)


def test_slopes_are_those_of_the_scores(column):
    _, knots = column
    rises = knots[3, :-1] == knots[4, :-1]
    middle = ((knots[2, 1:] + knots[2, :-1]) / 2)[rises]
    width = (np.diff(knots[2]) / 4)[rises]  # a line between knots: no error of differences
    ends = [scores_of(middle + sign * width, knots).middle for sign in (1, -1)]
    slopes = (ends[0] - ends[1]) / (2 * width)
    np.testing.assert_allclose(np.exp(scores_of(middle, knots).log_slope), slopes, rtol=0.02)


def test_a_repeated_value_stands_for_an_interval():
    """As wide as its share, and wider by no more than a segment."""
    cells = COLUMNS["mostly 0"]
    cells = (cells - cells.mean()) / cells.std()
    knots = normal_scores.learn(cells)
    zero = scores_of([cells.min()], knots)
    share = np.diff(stats.norm.cdf([zero.low[0], zero.high[0]]))[0]
    expected = (cells == cells.min()).mean()
    assert expected - 0.05 < share <= expected and zero.low[0] < zero.middle[0] < zero.high[0]
    drawn = cells_of(np.linspace(zero.low[0], zero.high[0], 9), knots)
    np.testing.assert_allclose(drawn, cells.min(), rtol=1e-6)
    other = scores_of([1.0], knots)
    assert other.low == other.high == 0


def test_samples_are_distributed_as_the_column(column):
    cells, knots = column
    drawn = cells_of(RNG.normal(size=20_000), knots)
    noise = 1.6 * np.sqrt(1 / len(drawn) + 1 / len(cells))
    assert stats.ks_2samp(drawn.round(4), np.float32(cells).round(4)).statistic < max(noise, 0.05)
    repeated, counts = np.unique(cells, return_counts=True)
    if counts.max() > 1:
        value = repeated[counts.argmax()]
        share = np.isclose(drawn, value, atol=1e-6).mean()
        assert abs(share - counts.max() / len(cells)) < 0.05


def test_few_cells_or_a_single_value_are_not_transformed():
    for cells in (RNG.exponential(size=39), np.zeros(100)):
        knots = normal_scores.learn(cells)
        u = np.linspace(-9, 9, 7)
        found = scores_of(u, knots)
        np.testing.assert_allclose(found.middle, u, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose([found.log_slope, found.low, found.high], 0, atol=1e-5)
        np.testing.assert_allclose(cells_of(u, knots), u, rtol=1e-5, atol=1e-5)


@given(
    arrays.arrays(
        "float64",
        100,
        elements=some.one_of(
            some.floats(-10, 10, width=32), some.sampled_from([0.0, 1.0]), some.just(1e4)
        ),
    )
)
@settings(max_examples=50, deadline=None)
def test_any_column(cells):
    """It rises, in float32 too; a cell that is not among repeated ones comes back."""
    cells = (cells - cells.mean()) / (cells.std() or 1.0)
    knots = np.float32(normal_scores.learn(cells))
    assert np.isfinite(knots).all()
    assert (np.diff(knots[0]) > 0).all() and (np.diff(knots[2]) > 0).all()
    assert (np.diff(knots[1]) >= 0).all() and (knots[3] <= knots[4]).all()
    found = scores_of(cells, knots)
    assert np.isfinite(found).all() and (found.low <= found.high).all()
    order = np.argsort(cells)
    assert (np.diff(found.middle[order]) >= -1e-4).all()
    moved = np.abs(cells_of(found.middle, knots) - cells)
    assert moved.max() <= 2 * np.abs(knots[2] - knots[1]).max() + 1e-3
