"""Runs that were killed and are resumed."""

import json

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import priors, runs
from tests.command import TINY, epochs_of, error_of, run_cli

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.slow
def test_a_killed_run_gives_the_result_of_an_uninterrupted_run(toys, tmp_path, monkeypatch, capsys):
    def kill(self, epoch, logs=None):
        if epoch == 2:
            raise Killed

    quick = ["--epochs", 4, "--no-fit-prior", "--no-measure", "--quiet", *TINY]
    train = ["train", "--data", toys, *quick, "--board", "--out"]
    assert run_cli(*train, tmp_path / "whole") == 0
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(keras.callbacks.CSVLogger, "on_epoch_begin", kill)
        with pytest.raises(Killed):
            run_cli(*train, run)
    assert (run / "training.checkpoint").exists()

    error = error_of(capsys, "train", "--resume", run, "--epochs", 9)
    assert "`--epochs` must be left out with `--resume`" in error
    config = json.loads((run / "config.json").read_text())
    other = {**config, "versions": {**config["versions"], "keras": "3.0"}}
    other["data"] = {**config["data"], "digest": "0123"}
    (run / "config.json").write_text(json.dumps(other))
    error = error_of(capsys, "train", "--resume", run)
    assert f"the data '{toys}' have changed; keras was 3.0, is 3" in error
    assert "`--force` resumes anyway" in error
    (run / "config.json").write_text(json.dumps(config))

    assert run_cli("train", "--resume", run) == 0
    assert "has epoch 2 of 4: training continues" in capsys.readouterr().out
    assert epochs_of(run) == epochs_of(tmp_path / "whole")
    models = [keras.saving.load_model(f / "model.keras") for f in (run, tmp_path / "whole")]
    for one, other in zip(*(model.variables for model in models), strict=True):
        np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
    assert {p.name for p in run.iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
    assert run_cli("train", "--resume", run) == 0
    assert "is finished" in capsys.readouterr().out


def test_an_invalid_run_raises_an_error(tmp_path):
    with pytest.raises(ValueError, match="A run must be a folder with .* which is not a run"):
        runs.resume(tmp_path)


@pytest.mark.slow
def test_a_run_killed_after_training_has_the_same_weights(toys, tmp_path, monkeypatch):
    """The prior that is fitted has layers of its own, whose first weights are random."""

    def killed(*args, **kwargs):
        raise Killed

    monkeypatch.setattr(priors, "CANDIDATES", ("flow",))
    quick = ["--epochs", 2, "--no-early-stopping", "--no-measure", "--quiet", *TINY]
    train = ["train", "--data", toys, *quick, "--out"]
    assert run_cli(*train, tmp_path / "whole") == 0
    for place, name in ((keras_cvae.CVAE, "fit_prior"), (runs.pictures, "write")):
        run = tmp_path / name
        with monkeypatch.context() as patch:
            patch.setattr(place, name, killed)
            with pytest.raises(Killed):
                run_cli(*train, run)
        keras.utils.set_random_seed(7)  # as of another process
        (run / "unfinished-1").mkdir()  # of a save that was killed
        saved = (run / "model.keras").read_bytes()
        with monkeypatch.context() as patch:
            if name == "write":  # the prior is fitted and saved, which is not done again
                patch.setattr(keras_cvae.CVAE, "fit_prior", killed)
            assert run_cli("train", "--resume", run, "--quiet") == 0
        assert ((run / "model.keras").read_bytes() == saved) == (name == "write")
        assert {p.name for p in run.iterdir()} == {p.name for p in (tmp_path / "whole").iterdir()}
        models = [keras.saving.load_model(f / "model.keras") for f in (run, tmp_path / "whole")]
        for one, other in zip(*(model.weights for model in models), strict=True):
            np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (one, other)))
