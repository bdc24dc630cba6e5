"""Submodels of a run in files of other formats, which their runtimes open."""

import json
import subprocess
import sys

import keras
import numpy as np
import pandas
import pytest

import keras_cvae
from keras_cvae import export, networks, priors, runs, tables
from keras_cvae.datasets import Dataset
from keras_cvae.export import files
from tests.command import error_of, run_cli

BACKEND = keras.backend.backend()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose model has been trained for a moment."""
    folder = tmp_path_factory.mktemp("exported")
    x, y = np.random.default_rng(0).random((40, 6, 5, 1), "float32"), np.arange(40) % 2
    np.savez(folder / "toys.npz", x=x, y=y)
    options = {"network": networks.Conv((4,)), "latent_dim": 2, "epochs": 1, "batch_size": 32}
    options |= {"fit_prior": False}
    names = ["cat", "dog"]
    return runs.train(folder / "toys.npz", folder / "run", class_names=names, verbose=0, **options)


@pytest.mark.parametrize(
    ("format", "part"),
    [(name, "generator") for name in export.NAMES if name != "web"] + [("onnx", "encoder")],
)
def test_an_exported_file_equals_keras_and_its_example_runs(run, format, part, tmp_path):
    kind = export.NAMES[format]
    pytest.importorskip(next(iter(kind.packages.values()))[0])
    out = tmp_path / f"part{kind.suffix}"
    if BACKEND not in kind.backends or (BACKEND == "jax" and format == "onnx"):
        with pytest.raises(ValueError, match="`format`.*(KERAS_BACKEND=tensorflow|jax2onnx)"):
            export.write(run, out, part=part, format=format)
        assert not list(tmp_path.iterdir())
        return
    assert export.write(run, out, part=part, format=format) < 1e-4
    notes = json.loads((tmp_path / "part.json").read_text())
    assert notes["class_names"] == ["cat", "dog"] and notes["part"] == part
    first = next(iter(notes["inputs"].values()))
    assert first["shape"][1:] == ([2] if part == "generator" else [6, 5, 1])
    if format == "onnx" and part == "generator":
        onnx = pytest.importorskip("onnx")
        kept = {entry.key: entry.value for entry in onnx.load(out).metadata_props}
        assert json.loads(kept["class_names"]) == ["cat", "dog"]
        script = [sys.executable, "part.py"]
        done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
        assert done.stdout.strip() == "(7, 6, 5, 1)", done.stderr


@pytest.fixture(scope="module")
def table_run():
    """A run of a table with a mixture prior, whose model has not been trained."""
    rng = np.random.default_rng(0)
    frame = pandas.DataFrame(
        {
            "sex": rng.choice(["F", "M"], 60),
            "job": rng.choice(["a", "b", "c"], 60),
            "weight": rng.normal(70, 9, 60),
        }
    )
    table = tables.Table.of(frame, ["sex"])
    x, y = table.arrays(frame)
    prior = priors.Mixture(3, conditional=True, covariance="full")
    options = {"network": networks.Dense((4,)), "likelihood": table.likelihood(), "prior": prior}
    cvae = keras_cvae.build_cvae((2,), table.condition(), 3, **options)
    for weight in cvae.trainable_weights:
        weight.assign_add(0.3 * rng.standard_normal(weight.shape))
    config = {"class_names": [], "data": {"name": "rows.csv"}, "versions": {"keras_cvae": "0"}}
    return runs.TableRun(None, config, cvae, Dataset(x, y, x, y, ()))


@pytest.mark.slow
@pytest.mark.parametrize("format", [name for name in export.NAMES if name != "web"])
def test_the_generator_of_a_table_is_keras_and_its_example_prints_rows(table_run, format, tmp_path):
    kind = export.NAMES[format]
    if BACKEND not in kind.backends or (BACKEND == "jax" and format == "onnx"):
        pytest.skip("the backend does not write it")
    pytest.importorskip(kind.packages[BACKEND][0])
    out = tmp_path / f"part{kind.suffix}"
    assert export.write(table_run, out, format=format) < 1e-4
    notes = json.loads((tmp_path / "part.json").read_text())
    assert notes["columns"][0] == {"name": "job", "categories": ["a", "b", "c"]}
    assert notes["inputs"]["sex"]["categories"] == ["F", "M"]
    if format == "onnx":
        script = [sys.executable, "part.py"]
        done = subprocess.run(script, cwd=tmp_path, capture_output=True, text=True)
        size, *rows = done.stdout.splitlines()
        assert size == "(7, 2)" and len(rows) == 7, done.stderr
        assert all(row.startswith("{'job': '") and "'weight': " in row for row in rows)


@pytest.mark.once
def test_a_table_has_no_page_of_images(table_run, tmp_path):
    with pytest.raises(
        ValueError, match="A page needs a model of images. Received: a model of row"
    ):
        export.write(table_run, tmp_path / "page.html", format="web")
    assert not list(tmp_path.iterdir())


@pytest.mark.once
def test_unsupported_exports_raise_an_error(run, capsys, tmp_path, monkeypatch):
    command = ["export", run.folder, "--out"]
    assert "`--out` must be a name that ends in .onnx" in error_of(capsys, *command, tmp_path / "a")
    onnx = tmp_path / "a.onnx"
    assert "Did you mean 'onnx'" in error_of(capsys, *command, onnx, "--format", "onx")
    assert "`--what` must be one of" in error_of(capsys, *command, onnx, "--what", "cvae")
    onnx.write_text("mine")
    assert "`--force` replaces files" in error_of(capsys, *command, onnx)
    assert onnx.read_text() == "mine"
    folder = [*command, run.folder, "--format", "tf_saved_model", "--force"]
    if BACKEND == "tensorflow":  # nobody's folder is removed
        assert "must not be a folder of something else" in error_of(capsys, *folder)
        assert (run.folder / "model.keras").exists()
    monkeypatch.setattr(files, "TOLERANCE", -1)
    message = "must have the outputs of Keras"
    assert message in error_of(capsys, *command, tmp_path / "b.onnx", "--what", "decoder")
    assert [*tmp_path.iterdir()] == [onnx]
    monkeypatch.setattr(files.importlib.util, "find_spec", lambda name: None)
    assert 'pip install "keras_cvae[onnx]"' in error_of(capsys, *command, tmp_path / "b.onnx")


@pytest.mark.once
def test_the_command(run, capsys, tmp_path):
    assert run_cli("export", run.folder, "--out", tmp_path / "g.onnx") == 0
    assert "differ from those of Keras by" in capsys.readouterr().out
    assert {path.name for path in tmp_path.iterdir()} == {"g.onnx", "g.json", "g.py"}
