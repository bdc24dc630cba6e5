"""Networks of two models of the user."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def bodies(kind):
    """Encoder and decoder bodies for 6x6 images, 3 classes and latents of size 2."""
    layers = keras.layers
    if kind == "two inputs":
        x, y, z = keras.Input((6, 6, 1)), keras.Input((3,)), keras.Input((2,))
        h = layers.Concatenate()([layers.Flatten()(x), y])
        encoder = keras.Model([x, y], layers.Dense(8, "gelu")(h))
        h = layers.Dense(36)(layers.LayerNormalization()(layers.Concatenate()([z, y])))
        return encoder, keras.Model([z, y], layers.Reshape((6, 6, 1))(h))
    decoder = keras.Sequential([layers.Dense(36), layers.Reshape((6, 6, 1))])
    if kind == "vae":  # without labels
        return keras.Sequential([layers.Flatten(), layers.Dense(8)]), decoder
    if kind == "unbuilt":
        return keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()]), decoder
    if kind == "vectors":
        return keras.Sequential([keras.Input((36 + 3,)), layers.Dense(8)]), decoder
    if kind == "planes":
        return keras.Sequential([keras.Input((6, 6, 1 + 3)), layers.Conv2D(4, 3)]), decoder
    h = layers.Dense(4)(x := keras.Input((39,)))  # kind == "heads": its own mean and log-variance
    return keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)]), decoder


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("kind", ["two inputs", "unbuilt", "vectors", "planes", "heads"])
def test_two_models_of_the_user_as_network(kind, tmp_path):
    cvae = keras_cvae.build_cvae((6, 6, 1), 3, 2, network=bodies(kind))
    cvae.compile("adam")
    rng = np.random.default_rng(0)
    x, y = rng.random((32, 6, 6, 1), dtype="float32"), rng.integers(0, 3, 32)
    history = cvae.fit([x, y], epochs=2, verbose=0).history
    np.testing.assert_allclose(
        history["loss"], np.add(history["reconstruction"], history["kl"]), rtol=1e-5
    )
    cvae.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    expected = cvae.reconstruct(x, y, as_y=2)
    np.testing.assert_allclose(loaded.reconstruct(x, y, as_y=2), expected, atol=1e-6)
    assert np.abs(expected - cvae.reconstruct(x, y, as_y=1)).max() > 1e-4


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("kind", ["convolutions", pytest.param("lstm", marks=pytest.mark.once)])
@pytest.mark.parametrize("condition", [3, None])
def test_series(kind, condition, tmp_path):
    """Of shape (steps, channels), which are no images without channels."""
    layers = keras.layers
    encoder = layers.LSTM(3) if kind == "lstm" else keras.Sequential([layers.Conv1D(3, 3)])
    decoder = keras.Sequential([layers.RepeatVector(8), layers.GRU(2, return_sequences=True)])
    if kind == "convolutions":
        decoder = keras.Sequential([layers.Dense(16), layers.Reshape((8, 2))])
    network = encoder, decoder
    cvae = keras_cvae.build_cvae((8, 2), condition, 2, network=network, likelihood="gaussian")
    cvae.compile("adam", jit_compile=False)
    x, y = np.random.default_rng(0).normal(size=(8, 8, 2)), condition and np.arange(8) % 3
    cvae.fit(x, y, verbose=0)
    cvae.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    z, _ = cvae.encode(x, y)
    for model in (cvae, loaded):
        np.testing.assert_allclose(model.decode(z, y), cvae.reconstruct(x, y), atol=1e-5)
    assert cvae.generate(y, count=8).shape == x.shape
    channels = keras.Sequential([layers.Conv2D(2, 3)])  # of images that have none
    plain = layers.Dense(8 * 9)
    decoder = keras.Sequential([plain, layers.Reshape((8, 9))])
    keras_cvae.build_cvae((8, 9), condition, 2, network=(channels, decoder))


def test_models_of_the_user_are_copied_with_their_weights(tmp_path):
    """Pretrained and frozen as they are; trained is the copy."""
    layers = keras.layers
    encoder = keras.Sequential([keras.Input((6,)), layers.Dense(4), layers.Dense(3)], name="mine")
    encoder.layers[0].trainable = False
    decoder = keras.Sequential([keras.Input((2,)), layers.Dense(6)])
    before = encoder.get_weights()
    cvae = keras_cvae.build_cvae((6,), None, 2, network=(encoder, decoder))
    copy = cvae.encoder.get_layer("mine")
    assert copy is not encoder and copy.layers[1] is not encoder.layers[1]
    cvae.compile("sgd")
    cvae.fit(np.random.default_rng(0).random((8, 6)), verbose=0)
    for body, ours, start in zip(encoder.get_weights(), copy.get_weights(), before, strict=True):
        np.testing.assert_array_equal(body, start)
        assert np.array_equal(ours, start) == (start.shape in [(6, 4), (4,)])
    tied = keras.Sequential([encoder.layers[1]])
    with pytest.raises(ValueError, match="models without common weights"):
        networks.Own(encoder, tied)


@pytest.mark.once
def test_layers_without_a_config_of_their_own(tmp_path):
    """A class is no less a user's for being in no registry; what cannot be copied is refused."""

    class Doubled(keras.layers.Layer):
        def __init__(self, units):
            super().__init__()
            self.inner = keras.layers.Dense(units)

        def call(self, x):
            return 2 * self.inner(x)

    class Opaque(keras.Model):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def call(self, x):
            return self.inner(x)

    encoder = keras.Sequential([keras.Input((6,)), Doubled(4)])
    decoder = keras.layers.Dense(6)
    cvae = keras_cvae.build_cvae((6,), None, 2, network=(encoder, decoder))
    copied = cvae.encoder.get_layer(encoder.name)
    for ours, theirs in zip(copied.get_weights(), encoder.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(ValueError, match="Opaque must have a `get_config`"):
        keras_cvae.build_cvae((6,), None, 2, network=(Opaque(decoder), decoder))


def test_losses_of_the_users_layers_train_but_do_not_disturb_the_terms():
    encoder = keras.Sequential(
        [keras.layers.Dense(4, kernel_regularizer="l2"), keras.layers.ActivityRegularization(l2=1)]
    )
    decoder = keras.Sequential([keras.layers.ActivityRegularization(l1=1), keras.layers.Dense(6)])
    vae = keras_cvae.build_cvae((6,), latent_dim=2, network=(encoder, decoder))
    vae.compile("sgd")
    x = np.random.default_rng(0).random((64, 6), dtype="float32")
    logs = vae.evaluate(x, verbose=0, return_dict=True)
    assert logs["loss"] > logs["reconstruction"] + logs["kl"] + 0.1
    plain = keras_cvae.likelihoods.Bernoulli()
    nll = -numpy(plain.log_prob(x, vae.decoder(vae.encoder(x)[0]))).mean()
    assert abs(logs["reconstruction"] - nll) < 1.5


@pytest.mark.once
def test_models_of_the_wrong_shape_raise_an_error():
    dense, other = (keras.Sequential([keras.Input((7,)), keras.layers.Dense(4)]) for _ in range(2))
    with pytest.raises(
        ValueError, match=r"must take inputs of shape \[\(39,\)\].*takes \[\(7,\)\]"
    ):
        keras_cvae.build_cvae((6, 6, 1), 3, 2, network=(dense, other))
    encoder, _ = bodies("vectors")
    with pytest.raises(ValueError, match=r"decoder body must return.*\(6, 6, 1\).*\(4,\)"):
        keras_cvae.build_cvae((6, 6, 1), 3, 2, network=(encoder, keras.layers.Dense(4)))
    with pytest.raises(ValueError, match=r"z_mean and z_log_var of shape \(5,\).*\[\(2,\), \(2,\)"):
        keras_cvae.build_cvae((6, 6, 1), 3, 5, network=bodies("heads"))


@pytest.mark.once
@pytest.mark.parametrize("end", ["sigmoid", "relu"])
def test_a_decoder_that_ends_in_an_activation_raises_an_error(end):
    """The habit of tutorials: pixels that were squashed once would be squashed again."""
    layers = keras.layers
    decoder = keras.Sequential([layers.Dense(36, activation=end), layers.Reshape((6, 6, 1))])
    network = (bodies("vae")[0], decoder)
    with pytest.raises(ValueError, match="leave out the sigmoid.*Received: a decoder that"):
        keras_cvae.build_cvae((6, 6, 1), 3, 2, network=network)
    keras_cvae.build_cvae((6, 6, 1), 3, 2, network=network, likelihood="gaussian")  # means


@pytest.mark.usefixtures("uncompiled")
def test_a_third_model_is_the_classifier(tmp_path):
    """Where labels are inferred; without one a dense network does it."""
    body = keras.Sequential([keras.layers.Conv2D(3, 3, name="mine")])
    condition = conditions.Inferred(3)
    cvae = keras_cvae.build_cvae(
        (6, 6, 1), condition, 2, network=networks.Own(*bodies("vae"), classifier_body=body)
    )
    assert [w.shape for w in cvae.get_layer("classifier").weights] == [
        (3, 3, 1, 3),
        (3,),
        (4 * 4 * 3, 3),
        (3,),
    ]
    plain = keras_cvae.build_cvae((6, 6, 1), condition, 2, network=bodies("vae"))
    assert plain.get_layer("classifier").weights[0].shape == (36, 256)
    cvae.compile("adam")
    x = np.random.default_rng(0).random((8, 6, 6, 1), dtype="float32")
    cvae.fit([x, np.arange(8) % 3], verbose=0)
    assert not body.built
    cvae.save(tmp_path / "own.keras")
    loaded = keras.saving.load_model(tmp_path / "own.keras")
    np.testing.assert_allclose(
        loaded.classifier.predict(x, verbose=0), cvae.classifier.predict(x, verbose=0), atol=1e-6
    )
