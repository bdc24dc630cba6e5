"""Encoders and decoders without a `CVAE`."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks

X, Y = np.random.default_rng(0).random((12, 4, 4, 1), "float32"), np.arange(12) % 3


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("call", [lambda m, x: m.predict(x, verbose=0), lambda m, x: m(x)])
def test_labels_are_checked_if_they_are_arrays(call):
    """Of what is still symbolic a wrong label makes NaN: nothing is taken for unknown."""
    encoder = keras_cvae.build_dense_encoder((4, 4, 1), conditions.Classes(names=["a", "b", "c"]))
    decoder = keras_cvae.build_dense_decoder((4, 4, 1), 3)
    for model, x in ((encoder, X), (decoder, np.zeros((12, 2), "float32"))):
        for label in (3, -2):
            with pytest.raises(ValueError, match=rf"`y` must be in -1..2.*{label}"):
                call(model, [x, np.full(12, label)])
        with pytest.raises(ValueError, match="`y` must be 12 integers"):
            call(model, [x, [0]])
    expected = numpy(call(encoder, [X, Y])[0])
    for labels in (np.eye(3)[Y], np.array(["a", "b", "c"])[Y], Y.tolist(), Y.astype("float32")):
        np.testing.assert_array_equal(numpy(call(encoder, [X, labels])[0]), expected)
    by_name = {"image": (X * 255).astype("uint8"), "label": Y}
    np.testing.assert_allclose(numpy(call(encoder, by_name)[0]), expected, atol=0.02)
    tensors = [*map(keras.ops.convert_to_tensor, (X, np.where(Y == 2, 12, Y).astype("int32")))]
    found = numpy(encoder(tensors)[0])
    np.testing.assert_array_equal(np.isnan(found).all(axis=1), Y == 2)
    np.testing.assert_allclose(found[Y < 2], expected[Y < 2], rtol=1e-5)


def test_models_cut_from_the_graph_check_labels():
    for condition in (3, conditions.Enumerated(3), conditions.Inferred(3)):
        cvae = keras_cvae.build_cvae((4, 4, 1), condition, network=networks.Dense((4,)))
        for model, x in ((cvae.encoder, X), (cvae.generator, np.zeros((12, 2), "float32"))):
            if len(model.inputs) > 1:
                with pytest.raises(ValueError, match="`y` must be in -1..2"):
                    model.predict([x, np.full(12, 3)], verbose=0)


def test_a_plain_model_of_builders_trains_equally_after_loading(tmp_path):
    """Keras on torch knows weights by their paths, of which no two may be the same."""
    x, y = keras.Input((4, 4, 1)), keras.Input((), dtype="int32")
    options = {"hidden_units": (4,)}
    encoder = keras_cvae.build_dense_encoder((4, 4, 1), 3, 2, **options)
    decoder = keras_cvae.build_dense_decoder((4, 4, 1), 3, 2, **options)
    z = keras_cvae.Sampling()(keras_cvae.KLDivergence()(encoder([x, y])))
    model = keras.Model([x, y], keras_cvae.ReconstructionLoss()([x, decoder([z, y])]))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for each in (model, loaded, keras.models.clone_model(loaded)):
        assert len({weight.path for weight in each.weights}) == len(each.weights)
    loaded.compile("sgd", jit_compile=False)
    before = loaded.get_weights()
    loaded.fit([X, Y], verbose=0)
    trained = {id(weight) for weight in loaded.trainable_weights}
    for weight, old in zip(loaded.weights, before, strict=True):
        assert id(weight) not in trained or (numpy(weight) != old).any(), weight.path


def test_a_condition_and_its_input_have_different_names():
    vector = conditions.Vector(1)
    inputs = vector.inputs()
    assert keras.Model(inputs, vector(inputs["vector"])).output.shape == (None, 2)
