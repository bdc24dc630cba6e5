"""The comparison of tables: its parts beside what they must be, and all of it on a few rows."""

import runpy
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from PIL import Image

from keras_cvae.estimators import CVAEEstimator

pd = pytest.importorskip("pandas")
pytest.importorskip("imblearn")


@pytest.fixture(scope="module")
def recipe():
    return runpy.run_path(str(Path(__file__).parents[2] / "scripts" / "experiments" / "tables.py"))


def test_the_copula_keeps_marginals_and_rank_correlations(recipe):
    rng = np.random.default_rng(0)
    a, b = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], 4000).T
    x = pd.DataFrame({"skewed": np.exp(a), "count": rng.poisson(np.exp(b / 2)), "b": b})
    x["sign"] = pd.Categorical(np.where(b + rng.normal(0, 0.5, 4000) > 1, "high", "low"))
    drawn = recipe["copula"](x, 3000, rng)
    assert drawn.dtypes.equals(x.dtypes) and len(drawn) == 3000
    for name in ("skewed", "count", "b"):
        assert scipy.stats.ks_2samp(x[name], drawn[name]).statistic < 0.04
    assert abs((drawn["sign"] == "high").mean() - (x["sign"] == "high").mean()) < 0.03
    found, real = (part[["skewed", "count", "b"]].corr("spearman") for part in (drawn, x))
    np.testing.assert_allclose(found, real, atol=0.06)


def test_quality_of_copies_of_noise_and_of_test_rows(recipe):
    x, y = recipe["customers"](3000)
    train, test = ((x[part], y[part]) for part in (slice(0, 1500), slice(1500, 3000)))
    rng = np.random.default_rng(0)
    noise = x.apply(lambda cells: cells.iloc[rng.permutation(len(x))].array)[:1500]
    found = {
        name: recipe["quality"](test, drawn, train, 0)
        for name, drawn in {"same": test, "copies": train, "noise": (noise, train[1])}.items()
    }
    assert found["same"] == {"marginals": 0, "correlations": 0, "accuracy": 1, "distance": 1}
    assert found["copies"]["distance"] == 0 and found["copies"]["marginals"] < 0.05
    assert found["noise"]["distance"] > 1.2
    assert found["noise"]["correlations"] > 3 * found["copies"]["correlations"]
    assert found["noise"]["accuracy"] < found["copies"]["accuracy"]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
@pytest.mark.filterwarnings("ignore")
def test_the_whole_script_on_few_rows(recipe, tmp_path, capsys, monkeypatch):
    parts = recipe["main"].__globals__
    small = CVAEEstimator(2, epochs=1, fit_prior=False, samples=2)
    monkeypatch.setitem(parts, "estimator", lambda table, seed: small)
    table = parts["TABLES"]["wine"]._replace(epochs=[1])
    monkeypatch.setitem(parts["TABLES"], "wine", table)
    recipe["main"](["wine"], seeds=1, out=tmp_path, epochs=1)
    out = capsys.readouterr().out
    assert "| wine | VAE |" in out and "| wine | SMOTE |" in out
    for part in ("quality", "oversampling"):
        Image.open(tmp_path / f"{part}.png").verify()
    recipe["main"](["wine"], seeds=1, out=tmp_path, epochs=1)
    assert "chosen" not in capsys.readouterr().out  # nothing is measured again
