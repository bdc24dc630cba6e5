"""On TensorFlow, the graphs of a dropped model are freed, also those of custom gradients."""

import gc
import sys

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks
from keras_cvae.fitting import custom_gradients

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"


@pytest.mark.skipif(not ON_TENSORFLOW, reason="other backends keep no such graphs")
def test_no_graph_outlives_its_model():
    import tensorflow as tf

    def graphs():
        for _ in range(2):  # what the first pass calls back lets go of more
            gc.collect()
        return sum(issubclass(type(one), tf.__internal__.FuncGraph) for one in gc.get_objects())

    x = np.random.default_rng(0).random((16, 6), "float32")
    before = graphs()
    cvae = keras_cvae.build_cvae((6,), latent_dim=1, network=networks.Dense((2,)))
    cvae.compile("adam")
    cvae.fit(x, validation_data=(x, None), verbose=0)
    evaluation.log_likelihood(cvae, x, samples=2, verbose=0)
    assert graphs() > before
    del cvae
    assert graphs() == before


@pytest.mark.skipif(not ON_TENSORFLOW, reason="about TensorFlow's registry")
def test_custom_gradients_of_others_are_kept(monkeypatch):
    registry = {"CustomGradient-1": None}
    monkeypatch.setattr(custom_gradients, "_registry", lambda: registry)
    with custom_gradients.forget():
        registry |= {"CustomGradient-2": None, "Named": None}
    assert registry == {"CustomGradient-1": None, "Named": None}
    monkeypatch.undo()
    ops = sys.modules["tensorflow.python.framework.ops"]
    monkeypatch.delattr(ops, "gradient_registry")
    with custom_gradients.forget():  # in a TensorFlow to come
        pass
