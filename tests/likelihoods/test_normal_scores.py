"""Normal scores: a monotone map whose density is one, and whose draws are as the column was."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from hypothesis.extra import numpy as arrays
from scipy import integrate, stats

from keras_cvae.likelihoods import normal_scores


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def scores_of(cells, knots):
    """Scores and log-slopes of the cells of one column."""
    given = np.float32(cells).reshape(-1, 1), np.float32(knots)[:, None]
    return [numpy(found)[:, 0] for found in normal_scores.score(*map(tensor, given))]


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
    scores, _ = scores_of(cells, normal_scores.learn(cells))
    expected = np.log(cells) / 1.2
    assert np.abs(scores - expected)[np.abs(expected) < 2].max() < 0.1
    assert np.abs(scores - expected).max() < 0.6


def test_the_density_is_one(column):
    cells, knots = column

    def density(u):
        (score,), (log_slope,) = scores_of([u], knots)
        return np.exp(stats.norm.logpdf(score) + log_slope)

    edges = knots[2, 1:-1]
    total = sum(integrate.quad(density, a, b)[0] for a, b in zip(edges, edges[1:], strict=False))
    outside = 2 * stats.norm.sf(knots[0, -2])
    np.testing.assert_allclose(total + outside, 1.0, rtol=1e-3)


def test_slopes_are_those_of_the_scores(column):
    cells, knots = column
    middle = (knots[2, 1:] + knots[2, :-1]) / 2  # a line between knots: no error of differences
    width = np.diff(knots[2]) / 4
    ends = [scores_of(middle + sign * width, knots)[0] for sign in (1, -1)]
    slopes = (ends[0] - ends[1]) / (2 * width)
    np.testing.assert_allclose(np.exp(scores_of(middle, knots)[1]), slopes, rtol=0.02)


def test_what_is_drawn_is_as_the_column_was(column):
    cells, knots = column
    drawn = cells_of(RNG.normal(size=20_000), knots)
    noise = 1.6 * np.sqrt(1 / len(drawn) + 1 / len(cells))
    assert stats.ks_2samp(drawn.round(4), np.float32(cells).round(4)).statistic < max(noise, 0.05)
    repeated, counts = np.unique(cells, return_counts=True)
    if counts.max() > 1:
        value = repeated[counts.argmax()]
        share = np.isclose(drawn, value, atol=1e-6).mean()
        assert abs(share - counts.max() / len(cells)) < 0.05


def test_few_cells_or_one_value_change_nothing():
    for cells in (RNG.exponential(size=39), np.zeros(100)):
        knots = normal_scores.learn(cells)
        u = np.linspace(-9, 9, 7)
        scores, log_slopes = scores_of(u, knots)
        np.testing.assert_allclose(scores, u, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(log_slopes, 0, atol=1e-5)
        np.testing.assert_allclose(cells_of(u, knots), u, rtol=1e-5, atol=1e-5)


@given(
    arrays.arrays(
        "float64",
        some.integers(40, 200),
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
    assert (np.diff(knots[1]) >= 0).all()
    scores, log_slopes = scores_of(cells, knots)
    assert np.isfinite(scores).all() and np.isfinite(log_slopes).all()
    order = np.argsort(cells)
    assert (np.diff(scores[order]) >= -1e-4).all()
    moved = np.abs(cells_of(scores, knots) - cells)
    assert moved.max() <= 2 * np.abs(knots[2] - knots[1]).max() + 1e-3
