import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from keras_cvae.cli.starting import LOG_LEVEL
from keras_cvae.runs import pictures
from keras_cvae.runs.pictures import KINDS
from tests.command import TINY, epochs_of, error_of, run_cli, warning_of

pytestmark = pytest.mark.usefixtures("uncompiled")
once = pytest.mark.once


def test_version(capsys):
    assert run_cli("--version") == 0
    out = capsys.readouterr().out
    assert f"keras {keras.__version__}" in out and keras.backend.backend() in out


@once
@pytest.mark.parametrize("arguments", [["train", "--seed", "-1"], ["train", "--epoch"], ["fly"]])
def test_usage_errors(capsys, arguments):
    assert run_cli(*arguments) == 2
    error = capsys.readouterr().err
    assert "--help" in error and "Traceback" not in error and error.count("\n") <= 5


@pytest.mark.slow
@once
def test_bad_files(run, tmp_path, toys, capsys):
    out = tmp_path / "a.png"
    label = ["generate", run, "--out", out, "--label"]
    assert "'10'" in error_of(capsys, *label, 10)
    assert "is not a run" in error_of(capsys, "generate", tmp_path, "--out", out)
    assert "is not a run" in error_of(capsys, "evaluate", tmp_path / "none")
    assert ".png or .npz" in error_of(capsys, "generate", run, "--out", tmp_path / "a.gif")
    plot = ["plot", run, "--kind", "loss", "--out", tmp_path / "a.npz"]
    assert "must end in .png. " in error_of(capsys, *plot)
    shape = error_of(capsys, "reconstruct", run, "--data", toys, "--out", out)
    assert "`--data` must have the shape" in shape
    np.savez(tmp_path / "x.npz", x=np.eye(6))
    unlabelled = error_of(capsys, "evaluate", run, "--data", tmp_path / "x.npz")
    assert "which are split. Received: ['x']" in unlabelled  # without an option that others have
    np.savez(tmp_path / "x.npz", x=np.full((12, 3, 3, 5), 0.5), y=np.arange(12) % 2)
    channels = error_of(capsys, "train", "--out", tmp_path / "new", "--data", tmp_path / "x.npz")
    assert "x.npz' must have 1 or 3 channels, to be drawn. Received: 5" in channels
    axes = [*plot[:-1], out, "--axes", "7", "--kind", "traversals"]
    assert "`--axes` must be some different dimensions of z" in error_of(capsys, *axes)
    assert "toys.npz" in error_of(capsys, "train", "--out", toys / "run", *TINY)
    unlabelled = error_of(capsys, "train", "--data", tmp_path, "--out", tmp_path / "new")
    assert "`--unconditional` takes data without labels" in unlabelled
    empty = shutil.copytree(run, tmp_path / "empty")
    (empty / "history.csv").write_text("")
    assert "one value per epoch" in error_of(capsys, "plot", empty, "--kind", "loss", "--out", out)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_bytes((run / "config.json").read_bytes())
    (damaged / "model.keras").write_bytes((run / "model.keras").read_bytes()[:5000])
    assert "model.keras' is damaged" in error_of(capsys, "generate", damaged, "--out", out)
    assert not out.exists()


@once
@pytest.mark.parametrize(
    "file, content, message",
    [
        ("config.json", "[]", "must contain the settings"),
        ("config.json", "[" * 100_000, "must contain the settings"),
        ("config.json", b"\xff", "must contain the settings"),
        ("config.json", {"data": None}, "must contain the settings"),
        ("config.json", {"class_names": 3}, "class names are texts. Received: 3"),
        ("config.json", {"data": {"name": "digits", "digest": ""}}, "KeyError: 'image_size'"),
        ("history.csv", "epoch,loss,val_loss\n0,1.5,1.6\n1,1.", "history.csv' is damaged"),
        ("history.csv", "epoch,loss\n0,high\n", "history.csv' is damaged"),
        (
            "model.keras",
            keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
            "VAE of keras_cvae. Received: a Sequential",
        ),
    ],
)
def test_damaged_files_of_a_run(run, tmp_path, capsys, file, content, message):
    folder = shutil.copytree(run, tmp_path / "run")
    if isinstance(content, dict):
        content = json.dumps(json.loads((folder / file).read_text()) | content)
    if isinstance(content, keras.Model):
        content.save(folder / file)
    else:
        (folder / file).write_bytes(content.encode() if isinstance(content, str) else content)
    plot = ["plot", folder, "--kind", "loss", "--out", tmp_path / "a.png"]
    assert message in error_of(capsys, *plot)


@once
def test_paths_that_cannot_be_written(run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.png").mkdir()
    generate = ["generate", run, "--force", "--out"]
    assert "`--out` must be a file." in error_of(capsys, *generate, tmp_path / "a.png")
    message = "`--out` must be in a folder that can be written to"
    assert message in error_of(capsys, *generate, tmp_path / "file" / "a.png")
    train = ["train", "--epochs", 1, *TINY, "--out", tmp_path / "file" / "run"]
    assert "`--out` must be a folder that can be written to" in error_of(capsys, *train)


@once
def test_ctrl_c_while_pictures_are_drawn(tmp_path, toys, capsys, monkeypatch):
    def interrupted(run):
        raise KeyboardInterrupt

    monkeypatch.setattr(pictures, "write", interrupted)
    train = ["train", "--data", toys, "--out", tmp_path / "run", "--epochs", 1, *TINY]
    assert run_cli(*train) == 130
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "the trained model is saved in" in error
    assert not (tmp_path / "run" / "training.lock").exists()
    monkeypatch.setitem(KINDS, "loss", interrupted)
    plot = ["plot", tmp_path / "run", "--kind", "loss", "--out", tmp_path / "a.png"]
    assert run_cli(*plot) == 130
    assert capsys.readouterr().err == "keras-cvae: Stopped\n"


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a child")
def test_ctrl_c_leaves_a_model(tmp_path, toys, capsys):
    run = tmp_path / "run"
    command = [sys.executable, "-m", "keras_cvae_command", "train", "--data", toys, "--out", run]
    process = subprocess.Popen(
        [str(part) for part in [*command, "--epochs", 100000, *TINY]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **{name: value for name, value in os.environ.items() if name != LOG_LEVEL},
            "PYTHONPATH": os.pathsep.join(sys.path),
        },
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "history.csv").exists() or len(epochs_of(run)) < 2:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert process.returncode == 130
    assert error.count("\n") == 1, error  # TensorFlow's log is not among it
    assert error.startswith("keras-cvae: Stopped after epoch ")
    stopped = int(error.rpartition("Stopped after epoch ")[2].partition(";")[0])
    logged = len(epochs_of(run))
    assert logged - stopped in (0, 1)
    generate = ["generate", run, "--out", tmp_path / "a.png"]
    assert f"was stopped; its weights are those after epoch {logged}" in warning_of(
        capsys, *generate
    )
    files = {"config.json", "history.csv", "model.keras", "training.checkpoint"}
    assert {path.name for path in run.iterdir()} == files
    assert f"`keras-cvae train --resume {run}` continues from there" in error
