"""Runs that are made, loaded and plotted from Python."""

import json
import shutil

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks, priors, runs
from keras_cvae.runs.images import _class_sizes
from keras_cvae.runs.pictures import KINDS, PICTURES

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]
TINY = {"latent_dim": 2, "network": networks.Dense((8,)), "epochs": 2, "batch_size": 256}


@pytest.fixture(scope="module")
def run(tmp_path_factory, eagerly):
    folder = tmp_path_factory.mktemp("making") / "run"
    on_begin = []
    logged = keras.callbacks.History()
    prior = priors.StandardNormal()
    options = {"on_begin": on_begin.append, "callbacks": [logged], "prior": prior, **TINY}
    with eagerly():
        run = runs.train("digits", folder, **options)
    assert on_begin == [run] and logged.epoch == [0, 1]
    return run


def test_a_run_is_loaded_as_it_was_made(run, digits):
    read = runs.Run.load(run.folder)
    assert read.metrics == run.metrics and read.history == run.history
    assert len(read.history["val_loss"]) == 2 and "epoch" not in read.history
    assert read.config == json.loads(json.dumps(read.config))
    assert read.config["model"]["network"]["hidden_units"] == [8]
    assert read.config["model"]["prior"]["class"] == "StandardNormal"
    images, labels, names = read.test_images(count=5)
    np.testing.assert_array_equal(images, digits.x_test[:5])
    np.testing.assert_array_equal(labels, digits.y_test[:5])
    assert names == digits.class_names
    z = [model.encode(images, labels)[0] for model in (run.model, read.model)]
    np.testing.assert_allclose(*z, rtol=1e-5, atol=1e-6)


@pytest.mark.once
def test_the_sizes_of_classes_are_reported():
    labels = np.array([0, 0, 0, 2, 2, -1])
    expected = (
        "3 classes, the smallest b with 0, the largest a with 3 to train with; none of b, which "
        "the model cannot learn; 1 without a label"
    )
    assert _class_sizes(labels, ["a", "b", "c"]) == expected


@pytest.mark.parametrize("kind", KINDS)
def test_every_picture_of_a_run(run, kind):
    assert KINDS[kind](run).axes


def test_an_existing_run_is_not_replaced_unless_forced(run, tmp_path):
    before = (run.folder / "metrics.json").read_bytes()
    with pytest.raises(ValueError, match="`out` must be .*`force=True` replaces a run.*a run$"):
        runs.train("digits", run.folder, **TINY)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="`out` must be .*Received: .* is not a run"):
        runs.train("digits", tmp_path, force=True, **TINY)
    with pytest.raises(ValueError, match="`latent_dim`"):
        runs.train("digits", run.folder, force=True, latent_dim=0)
    assert (run.folder / "metrics.json").read_bytes() == before


def test_an_interrupted_run_reports_which_weights_it_keeps(tmp_path):
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    folder = tmp_path / "run"
    for _ in range(2):  # the second time in place of the first, whose checkpoint goes with it
        with pytest.raises(KeyboardInterrupt, match="Stopped after epoch 1; .*model.keras"):
            runs.train("digits", folder, force=True, callbacks=[Interrupt()], **TINY)
        (folder / "training.checkpoint").write_text("another")
    with pytest.warns(UserWarning, match="was stopped; its weights are those after epoch 1"):
        run = runs.Run.load(folder)
    assert run.model.latent_dim == 2 and len(run.history["loss"]) == 1
    assert not any((run.folder / name).exists() for name in PICTURES)


def test_names_of_classes_come_from_the_model(run, tmp_path):
    assert run.model.condition.classes == tuple(run.class_names) and run.model.condition.has_names
    folder = shutil.copytree(run.folder, tmp_path / "run")
    config = {**json.loads((folder / "config.json").read_text()), "class_names": list("abcdefghij")}
    (folder / "config.json").write_text(json.dumps(config))
    assert runs.Run.load(folder).class_names == run.class_names
    keras_cvae.build_cvae((8, 8, 1), 10).save(folder / "model.keras")  # as models were saved before
    assert runs.Run.load(folder).class_names == list("abcdefghij")


def test_damaged_metrics_are_explained(run, tmp_path):
    folder = shutil.copytree(run.folder, tmp_path / "run")
    (folder / "metrics.json").write_text('{"elbo": -4')
    with pytest.raises(ValueError, match="metrics.json' is damaged"):
        print(runs.Run.load(folder).metrics)


def test_damaged_settings_are_explained(run, tmp_path):
    config = json.loads((run.folder / "config.json").read_text())
    damaged = [{**config, name: "text"} for name in ("model", "training", "versions", "chosen")]
    damaged += [{**config, "training": {"seed": "0"}}, {**config, "image_shape": 4}]
    damaged += [{name: each for name, each in config.items() if name != "model"}]
    for each in damaged:
        (tmp_path / "config.json").write_text(json.dumps(each))
        with pytest.raises(ValueError, match="config.json' must contain the settings"):
            runs.reading.config_of(tmp_path)
