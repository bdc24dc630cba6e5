"""The report of a run, and runs side by side: what the pages hold; they need no network."""

import json
import re

import numpy as np
import pandas as pd
import pytest

from keras_cvae import evaluation, runs
from tests.command import error_of, run_cli

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]
TINY = {"latent_dim": 3, "epochs": 2, "batch_size": 16, "verbose": 0}


@pytest.fixture(scope="module")
def images(tmp_path_factory, eagerly):
    """Two runs of images, whose classes have names that are code to HTML."""
    folder = tmp_path_factory.mktemp("images")
    rng = np.random.default_rng(0)
    x, y = rng.random((60, 6, 5, 1), "float32"), np.arange(60) % 2
    np.savez(folder / "toys.npz", x=x, y=y)
    options = {"class_names": ["<b>cat", "dog & Co"], "network": "dense", **TINY}
    with eagerly():
        for name, beta in ("one", 1.0), ("other", 2.0):
            objective = runs.making.models.objectives.ELBO(beta)
            runs.train(folder / "toys.npz", folder / name, objective=objective, **options)
    return folder


def page(path):
    """The text of a page, which holds all that it shows."""
    text = path.read_text("utf-8")
    sources = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert sources and all(s.startswith(("data:image/", "#")) for s in sources)
    assert "<script" not in text and "url(" not in text and path.stat().st_size < 5e6
    return re.sub(r"data:image/[^\"]*", "", text)


@pytest.mark.slow
@pytest.mark.usefixtures("reports")
def test_a_run_of_images(images, monkeypatch):
    run = runs.Run.load(images / "one")
    text = page(runs.report.write(run))
    for heading in ("Numbers", "Generated images", "Reconstructions", "Latent space", "Settings"):
        assert f">{heading}</h2>" in text
    assert "&lt;b&gt;cat" in text and "<b>cat" not in text
    assert f"{run.metrics['elbo']:.2f}" in text and "of 3 dimensions are in use" in text
    captions = re.findall(r"<figcaption>(.+?)</figcaption>", text)
    assert len(captions) == text.count("<img") >= 8
    assert "beta 1.0" in text and "keras-cvae generate" in text
    measure = evaluation.Measure("recall", 0.125, 0.01, "share", "of real images", 0.5, None, "low")
    protocol = {"test_examples": 12, "seed": 0, "standard_errors": "over test examples"}
    measured = evaluation.Report(protocol, [measure])
    monkeypatch.setattr(evaluation, "measure", lambda *args, **options: measured)
    runs.evaluate(run)
    after = page(run.folder / runs.report.NAME)
    assert "recall 0.1250: low." in after and "<td>0.5000</td>" in after


@pytest.mark.slow
@pytest.mark.usefixtures("reports")
def test_a_run_of_a_table(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"sex": rng.choice(["F", "M"], 80), "height": rng.normal(170, 9, 80)})
    rows["weight"] = (rows["height"] - 100).round(1).mask(rng.random(80) < 0.3)
    rows.to_csv(tmp_path / "people.csv", index=False)
    run = runs.train_table(tmp_path / "people.csv", tmp_path / "run", conditions=["sex"], **TINY)
    text = page(run.folder / runs.report.NAME)  # of training
    for heading in ("Generated rows", "Columns", "Pairs of columns"):
        assert f">{heading}</h2>" in text
    cells = [re.findall("<td>(.*?)</td>", row) for row in re.findall("<tr>(.*?)</tr>", text)]
    weight = next(row for row in cells if row[:2] == ["weight", "number"])
    real, _, _ = run.test_images()
    assert weight[3] == f"{np.isnan(real[:, 1]).mean():.1%}"


@pytest.mark.slow
def test_runs_side_by_side(images, capsys, tmp_path):
    out = tmp_path / "both.html"
    assert run_cli("compare", images / "one", images / "other", "--out", out) == 0
    printed = capsys.readouterr().out
    metrics = json.loads((images / "other" / "metrics.json").read_text())
    assert "one" in printed and f"{metrics['elbo']:.2f}" in printed
    text = page(out)
    assert "beta 2.0" in text and "latent_dim" not in text.partition("Settings that differ")[2]
    assert "different data" not in text


def test_runs_that_cannot_be_compared_raise_an_error(images, capsys, tmp_path):
    alone = ["compare", images / "one", "--out", tmp_path / "a.html"]
    assert "There must be two runs or more" in error_of(capsys, *alone)
    both = ["compare", images / "one", images / "one", "--out"]
    assert "must end in .html" in error_of(capsys, *both, tmp_path / "a.png")
    (tmp_path / "b.html").write_text("mine")
    assert "must be a new file" in error_of(capsys, *both, tmp_path / "b.html")
    assert "is not a run" in error_of(capsys, "report", tmp_path)
