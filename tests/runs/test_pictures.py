"""Pictures of a run that need Graphviz or a learned prior."""

import sys

import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks, runs
from keras_cvae.datasets import Dataset
from keras_cvae.runs import pictures


@pytest.mark.once
def test_a_notebook_reports_that_diagrams_need_graphviz(monkeypatch, tmp_path):
    """If IPython is loaded, Keras prints a line for each diagram, and continues."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "IPython.core.magics.namespace", None)
    with pytest.raises(ImportError, match="Graphviz"):
        pictures.write_diagrams(None)


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_pictures_transport_noise_by_the_prior():
    """Where the latents of a class lie away from 0, its pictures are drawn from there."""
    x, y = np.random.default_rng(0).random((12, 4, 4, 1), "float32"), np.arange(12) % 3
    options = {"network": networks.Dense((8,)), "prior": "conditional"}
    cvae = keras_cvae.build_cvae((4, 4, 1), 3, 2, **options)
    for weight in cvae.prior.trainable_weights:
        weight.assign_add(np.full(weight.shape, 0.7))
    config = {"class_names": list("abc"), "data": {"name": "toys"}}
    run = runs.ImageRun(None, config, cvae, Dataset(x, y, x, y, tuple("abc")))
    noise = np.random.default_rng(1).standard_normal((3, 5, 2))
    for label in (0, 2, -1):
        found = pictures.images_of_noise(run, noise, label)
        flat = noise.reshape(-1, 2).astype("float32")
        expected = cvae.generator.predict([flat, np.full(15, label, "int32")], verbose=0)
        np.testing.assert_allclose(found.reshape(expected.shape), expected, atol=1e-6)
        assert np.abs(expected - cvae.decode(flat, label)).max() > 1e-3
        np.testing.assert_array_equal(cvae.generate(label, noise=flat), found.reshape(-1, 4, 4, 1))
    with pytest.raises(ValueError, match=r"`noise` must be .* of shape \(3, 2\)"):
        cvae.generate([0, 1, 2], count=3, noise=noise[0])
