"""Pictures of tables."""

import numpy as np
import pytest

from keras_cvae import plots

pytestmark = pytest.mark.once

COLUMNS = {"size": "numeric", "co$t": "count", "town": [f"town {i}" for i in range(25)]}
RNG = np.random.default_rng(0)
REAL = np.stack([RNG.normal(size=90), RNG.poisson(3, 90), RNG.integers(0, 25, 90)], axis=1)
REAL[::4, 0] = np.nan


def test_marginals(tmp_path):
    figure = plots.marginals(REAL, REAL[:50], COLUMNS, title="Rows")
    size, cost, town = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["size", r"co\$t", "town"]
    assert {axes.get_ylabel() for axes in figure.axes} == {"share of rows"}
    heights = [patch.get_height() for patch in town.patches]
    assert len(heights) == 40 and town.get_xlabel() == "category (5 rarer not shown)"
    shares = np.sort(np.bincount(REAL[:, 2].astype(int), minlength=25) / 90)[::-1]
    np.testing.assert_allclose(heights[:20], shares[:20])
    path = cost.patches[0].get_path().vertices  # bars around whole numbers
    assert (np.unique(path[:, 0]) % 1 == 0.5).all()
    figure.savefig(tmp_path / "marginals.png")


def test_correlations(tmp_path):
    square = np.corrcoef(RNG.normal(size=(3, 20)))
    figure = plots.correlations(square, np.eye(3), list(COLUMNS))
    real, generated, _ = figure.axes
    np.testing.assert_array_equal(real.images[0].get_array(), square)
    np.testing.assert_array_equal(generated.images[0].get_array(), np.eye(3))
    apart = np.abs(square[np.triu_indices(3, 1)]).mean()
    assert figure.get_suptitle().endswith(f"mean difference {apart:.3f}")
    figure.savefig(tmp_path / "correlations.png")


def test_invalid_tables_raise_an_error():
    with pytest.raises(ValueError, match=r"`generated` must have the shape \(rows, 3\). Received"):
        plots.marginals(REAL, REAL[:, :2], COLUMNS)
    with pytest.raises(ValueError, match=r"`real` must have the shape \(3, 3\)"):
        plots.correlations(np.eye(2), np.eye(3), list(COLUMNS))
