import json
import shutil
import warnings

import numpy as np
import pytest

from keras_cvae import evaluation
from tests.command import error_of, run_cli

once = pytest.mark.once


@pytest.fixture
def _short(monkeypatch):
    """Classifiers that are trained for a moment."""
    monkeypatch.setattr(evaluation.classifier, "SEEN", 2000)


@pytest.mark.once
def test_evaluate(run, tmp_path, capsys, _short):
    folder = shutil.copytree(run, tmp_path / "run")
    before = json.loads((folder / "metrics.json").read_text())
    evaluate = ["evaluate", folder, "--samples", 20, "--seed", 3]
    assert run_cli(*evaluate, "--limit", 50) == 0
    out, error = capsys.readouterr()
    assert error == "" and out.startswith("1/10 ELBO, rate and distortion\n2/10 ")
    assert not set(out) & {"\b", "\r", "\x1b"}  # no bars but on a terminal
    assert out.endswith(f"Saved in {folder / 'metrics.json'}\n")
    after = json.loads((folder / "metrics.json").read_text())
    kept = after.pop("evaluations")
    assert after == before and list(kept) == ["digits"]
    found = kept["digits"]
    protocol = {"test_examples": 50, "samples": 20, "seed": 3, "data": "digits"}
    assert protocol.items() <= found["protocol"].items()
    measures = {measure["name"]: measure for measure in found["measures"]}
    assert {"ELBO", "log p(x)", "label agreement", "coverage"} <= set(measures)
    for name in measures:
        assert f"\n{name}  " in out, name
    assert measures["ELBO"]["standard_error"] > 0
    assert f"\n{found['verdict']}\n" in out and "Left out: bits per dimension: " in out
    assert {path.name for path in folder.iterdir()} == {path.name for path in run.iterdir()}


@pytest.mark.slow
@pytest.mark.usefixtures("uncompiled")
@once
def test_evaluate_on_other_data_and_without_a_condition(plain_run, toys, tmp_path, capsys, _short):
    folder = shutil.copytree(plain_run, tmp_path / "run")
    for data in ([], ["--data", toys]):
        assert run_cli("evaluate", folder, "--samples", 2, *data) == 0
    assert "Left out: log p(x), the label summed out: the model has no" in capsys.readouterr().out
    kept = json.loads((folder / "metrics.json").read_text())["evaluations"]
    assert len(kept) == 2 or list(kept) == [str(toys)]
    elbos = [found["measures"][0]["value"] for found in kept.values()]
    assert elbos[0] == pytest.approx(elbos[-1], rel=1e-5)


@pytest.mark.usefixtures("uncompiled")
@once
def test_evaluation_of_an_unfinished_run_is_not_saved(plain_run, tmp_path, capsys):
    folder = shutil.copytree(plain_run, tmp_path / "run")
    (folder / "metrics.json").unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli("evaluate", folder, "--samples", 2) == 0
    out, error = capsys.readouterr()
    assert "was stopped" in error and out.endswith("Not saved: the run is unfinished\n")
    assert not (folder / "metrics.json").exists()


@once
@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--samples", 0], "`--samples` must be an integer of at least 1. Received: 0"),
        (["--limit", 0], "`--limit` must be an integer of at least 1. Received: 0"),
        (["--data", "nowhere"], "nowhere"),
        (["--data", "SHAPE"], "must have the shape (count, 8, 8, 1)"),
        (["--data", "CLASS"], "two or more classes"),
        (["--data", "EMPTY"], "at least one"),
    ],
)
def test_bad_evaluations(run, tmp_path, toys, capsys, arguments, message):
    before = (run / "metrics.json").read_bytes()
    x, y = np.zeros((4, 8, 8, 1), "float32"), np.arange(4) % 2
    files = {"SHAPE": toys, "CLASS": tmp_path / "class.npz", "EMPTY": tmp_path / "empty.npz"}
    np.savez(files["CLASS"], x_train=x, y_train=0 * y, x_test=x, y_test=0 * y)
    np.savez(files["EMPTY"], x_train=x, y_train=y, x_test=x[:0], y_test=y[:0])
    arguments = [files.get(argument, argument) for argument in arguments]
    assert message in error_of(capsys, "evaluate", run, *arguments)
    assert (run / "metrics.json").read_bytes() == before


@once
def test_damaged_metrics_are_not_overwritten(run, tmp_path, capsys):
    folder = shutil.copytree(run, tmp_path / "run")
    metrics = json.loads((folder / "metrics.json").read_text())
    reports = ({"protocol": {}, "measures": []}, {"measures": []}, 3, None)
    others = [{**metrics, "evaluations": {"toys": report}} for report in reports]
    others += [{**metrics, "kl": None}, {k: v for k, v in metrics.items() if k != "draws"}]
    others += [{**metrics, "evaluations": ""}, {**metrics, "elbo": 10**400}]
    for content in ("{", '{"evaluations": 3}', *map(json.dumps, others)):
        (folder / "metrics.json").write_text(content)
        assert "metrics.json' is damaged" in error_of(capsys, "evaluate", folder)
        assert (folder / "metrics.json").read_text() == content
