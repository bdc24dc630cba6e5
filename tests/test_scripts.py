"""Every recipe runs on the digits and leaves its pictures."""

import runpy
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

PARTS = ("train", "test")
SCRIPTS = Path(__file__).parent.parent / "scripts"
PICTURES = {
    "dense_vae": ["loss_curves", "latent_space", "manifold"],
    "conv_vae": ["loss_curves", "reconstructions", "manifold", "epochs/epoch_001"],
    "conv_cvae": ["restored", "as_8", "handwriting", "unlabelled", "samples", "loss_curves"],
    "conditional_manifold": ["manifolds"],
    "label_inferring_vae": ["loss_curves", "inferred", "styles", "epochs/epoch_001"],
}


def run(name, *arguments):
    sys.argv = [name, *map(str, arguments)]
    with pytest.raises(SystemExit) as done:
        runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")
    assert not done.value.code


@pytest.fixture(autouse=True)
def _restore_argv(monkeypatch):
    monkeypatch.setattr(sys, "argv", sys.argv)


@pytest.mark.parametrize("name", PICTURES)
def test_recipe(name, tmp_path, capsys, request):
    if name == "conv_vae":
        pytest.importorskip("tensorflow")
    if name == "dense_vae":
        request.getfixturevalue("graphviz")
    run(name, "--data", "digits", "--epochs", 1, "--out", tmp_path)
    for picture in PICTURES[name]:
        Image.open(tmp_path / f"{picture}.png").verify()
    models = list(tmp_path.glob("*.keras"))
    assert models
    assert all(keras.saving.load_model(path).image_shape == (8, 8, 1) for path in models)
    assert "|" in capsys.readouterr().out  # the table


def test_colour_images_and_wider_layers(tmp_path):
    pytest.importorskip("tensorflow")
    rng = np.random.default_rng(0)
    arrays = {f"x_{part}": rng.random((40, 32, 32, 3), dtype="float32") for part in PARTS}
    labels = {f"y_{part}": np.arange(40) % 2 for part in PARTS}
    np.savez(tmp_path / "colour.npz", **arrays, **labels)
    arguments = ("--data", tmp_path / "colour.npz", "--epochs", 1, "--out", tmp_path)
    run("conv_vae", *arguments, "--filters", "8,16,8", "--recommended")
    assert keras.saving.load_model(tmp_path / "model.keras").image_shape == (32, 32, 3)


def test_cross_validation(tmp_path, capsys):
    arguments = ("--data", "digits", "--epochs", 1, "--out", tmp_path, "--folds", 10, "--fold", 3)
    run("label_inferring_vae", *arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["fold_3"]
    assert "error, %" in capsys.readouterr().out


def test_label_agreement(tmp_path, capsys):
    run("label_inferring_vae", "--data", "digits", "--epochs", 1, "--out", tmp_path)
    arguments = ("--data", "digits", "--epochs", 1, "--count", 100, "--out", tmp_path)
    run("label_agreement", tmp_path / "model.keras", *arguments)
    assert "of the real test images" in capsys.readouterr().out


def test_benchmark(tmp_path):
    backend = keras.backend.backend()
    options = {"data": "digits", "images": 100, "batch-size": 40, "rounds": 1, "epochs": 1}
    options |= {"backends": backend, "only": f"keras_cvae,as it comes, {backend}", "out": tmp_path}
    arguments = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, str(SCRIPTS / "benchmark.py"), "train", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"keras_cvae, {backend}" in done.stdout and "left out" not in done.stdout
    Image.open(tmp_path / "train_dense.png").verify()
