"""The files for TensorBoard in a run's folder."""

import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks, runs
from keras_cvae.datasets import Dataset

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


def written(folder):
    """Tags of scalars and images, by the folder that their events are in."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tags = {}
    for path in folder.rglob("events.*"):
        events = EventAccumulator(str(path.parent)).Reload()
        tags[path.parent.name] = events.Tags()["tensors"]
    return tags


@pytest.mark.parametrize("condition", [3, None])
def test_curves_samples_and_latents(condition, tmp_path):
    x, y = np.random.default_rng(0).random((12, 4, 4, 1), "float32"), np.arange(12) % 3
    names = ("cat", "big dog", "owl") if condition else ()
    cvae = keras_cvae.build_cvae((4, 4, 1), condition, 2, network=networks.Dense((4,)))
    cvae.compile("adam")
    config = {"class_names": list(names), "data": {"name": "toys"}}
    labels = y if condition else None
    run = runs.ImageRun(tmp_path, config, cvae, Dataset(x, labels, x, labels, names))
    options = {"validation_data": ((x, y) if condition else x), "epochs": 2, "verbose": 0}
    if condition is None:
        options["validation_data"] = (x, None)
    cvae.fit(x, labels, callbacks=runs.board.callbacks_of(run), **options)
    tags = written(tmp_path / "board")
    assert {"epoch_kl", "epoch_elbo", "epoch_reconstruction"} <= {*tags["train"]}
    assert {"epoch_kl", "epoch_elbo"} <= {*tags["validation"]}
    assert tags["images"] == ["images"]
    z = np.loadtxt(tmp_path / "board" / "z.tsv")
    np.testing.assert_allclose(z, cvae.encode(x, labels)[0], rtol=1e-3, atol=1e-4)
    lines = (tmp_path / "board" / "labels.tsv").read_text().splitlines()
    assert lines == [names[label] for label in y] if condition else lines == [""] * 12
    assert "z.tsv" in (tmp_path / "board" / "projector_config.pbtxt").read_text()
