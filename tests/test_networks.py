"""Dense and convolutional networks, and networks around the user's own bodies."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conv, networks

SHAPES = {
    "dense": [(784,), (5,), (28, 28, 1), (8, 8), (33, 47, 3)],
    "conv": [(28, 28, 1), (32, 32, 3), (33, 47, 1), (33, 47, 3), (8, 8), (5, 1, 1)],
}
CASES = [(network, shape) for network, shapes in SHAPES.items() for shape in shapes]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("condition", [None, 4])
@pytest.mark.parametrize(("network", "shape"), CASES)
def test_any_image_size_and_vector_length(network, shape, condition):
    encoder = getattr(keras_cvae, f"build_{network}_encoder")(shape, condition, 3)
    decoder = getattr(keras_cvae, f"build_{network}_decoder")(shape, condition, 3)
    x, y = np.random.default_rng(0).random((2, *shape), dtype="float32"), np.int32([1, 3])
    x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
    z_mean, z_log_var = encoder([x, y] if condition else x)
    assert z_mean.shape == z_log_var.shape == (2, 3)
    parameters = decoder([z_mean, y] if condition else z_mean)
    assert tuple(parameters.shape) == (2, *shape)
    assert encoder.name == "encoder" and decoder.name == "decoder"
    names = [tensor.name for tensor in encoder.inputs + decoder.inputs]
    assert names == (["image", "label", "z", "label"] if condition else ["image", "z"])


@pytest.mark.parametrize("network", ["dense", "conv"])
def test_the_label_reaches_encoder_and_decoder(network):
    encoder = getattr(keras_cvae, f"build_{network}_encoder")((9, 7, 1), 3, 2)
    decoder = getattr(keras_cvae, f"build_{network}_decoder")((9, 7, 1), 3, 2)
    x, z = np.ones((4, 9, 7, 1), "float32"), np.ones((4, 2), "float32")
    y = np.int32([0, 1, 2, -1])
    for outputs in (numpy(encoder([x, y])[0]), numpy(decoder([z, y])).reshape(4, -1)):
        assert len(np.unique(outputs.round(6), axis=0)) == 4


def test_dense_labels_are_concatenated_to_the_flattened_image_and_to_z():
    encoder = keras_cvae.build_dense_encoder((28, 28, 1), 10, 20)
    decoder = keras_cvae.build_dense_decoder((28, 28, 1), 10, 20)
    assert encoder.weights[0].shape == (784 + 10, 256)
    assert decoder.weights[0].shape == (20 + 10, 256)


def test_conv_labels_are_constant_planes():
    encoder = keras_cvae.build_conv_encoder((28, 28, 1), 10, 2)
    assert encoder.weights[0].shape == (3, 3, 1 + 10, 32)
    image = np.zeros((2, 3, 4, 1), "float32")
    one_hot = np.float32([[0, 1], [0, 0]])
    planes = numpy(networks.LabelPlanes()([image, one_hot]))
    expected = np.zeros((2, 3, 4, 3))
    expected[0, :, :, 2] = 1
    np.testing.assert_array_equal(planes, expected)


def test_the_default_conv_network_is_the_tutorials():
    decoder = keras_cvae.build_conv_decoder((28, 28, 1), None, 2)
    assert [tuple(w.shape) for w in decoder.weights[::2]] == [
        (2, 7 * 7 * 32),
        (3, 3, 64, 32),
        (3, 3, 32, 64),
        (3, 3, 1, 32),
    ]
    encoder = keras_cvae.build_conv_encoder((28, 28, 1), None, 2)
    assert encoder.weights[0].shape == (3, 3, 1, 32)
    assert encoder.weights[2].shape == (3, 3, 32, 64)


def test_conv_refuses_vectors():
    for build in (keras_cvae.build_conv_encoder, keras_cvae.build_conv_decoder):
        with pytest.raises(ValueError, match=r'network="dense" takes vectors. Received: \(784,\)'):
            build((784,), 10, 2)


def test_uint8_images_are_scaled_in_the_graph():
    encoder = keras_cvae.build_dense_encoder((5,), 3, 2)
    x = np.random.default_rng(0).integers(0, 256, (6, 5)).astype("uint8")
    y = np.zeros(6, "int32")
    expected = numpy(encoder([np.float32(x) / 255, y])[0])
    for given in ([x, y], (x, y), {"image": x, "label": y}):
        np.testing.assert_allclose(numpy(encoder(given)[0]), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.predict([x, y], verbose=0)[0], expected, atol=1e-5)


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
    if kind == "unbuilt":
        return keras.Sequential([layers.Conv2D(4, 3), layers.BatchNormalization()]), decoder
    if kind == "vectors":
        return keras.Sequential([keras.Input((36 + 3,)), layers.Dense(8)]), decoder
    if kind == "planes":
        return keras.Sequential([keras.Input((6, 6, 1 + 3)), layers.Conv2D(4, 3)]), decoder
    h = layers.Dense(4)(x := keras.Input((39,)))  # kind == "heads": its own mean and log-variance
    return keras.Model(x, [layers.Dense(2)(h), layers.Dense(2)(h)]), decoder


@pytest.mark.parametrize("kind", ["two inputs", "unbuilt", "vectors", "planes", "heads"])
def test_a_network_of_the_users_own(kind, tmp_path):
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
    expected = cvae.reconstruct(x, y, as_labels=2)
    np.testing.assert_allclose(loaded.reconstruct(x, y, as_labels=2), expected, atol=1e-6)
    assert np.abs(expected - cvae.reconstruct(x, y, as_labels=1)).max() > 1e-4


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


def test_bodies_that_do_not_fit_are_refused():
    dense = keras.Sequential([keras.Input((7,)), keras.layers.Dense(4)])
    with pytest.raises(ValueError, match=r"given inputs of shape \[\(39,\)\].*takes \[\(7,\)\]"):
        keras_cvae.build_cvae((6, 6, 1), 3, 2, network=(dense, dense))
    encoder, _ = bodies("vectors")
    with pytest.raises(ValueError, match=r"decoder body must return.*\(6, 6, 1\).*\(4,\)"):
        keras_cvae.build_cvae((6, 6, 1), 3, 2, network=(encoder, keras.layers.Dense(4)))
    with pytest.raises(ValueError, match=r"z_mean and z_log_var of shape \(5,\).*\[\(2,\), \(2,\)"):
        keras_cvae.build_cvae((6, 6, 1), 3, 5, network=bodies("heads"))


@pytest.mark.parametrize("padding", ["same", "valid"])
@pytest.mark.parametrize("strides", [1, 2])
@pytest.mark.parametrize("shape", [(8, 8, 1), (7, 5, 3)])
def test_label_planes_folded_into_the_convolution(shape, strides, padding):
    rng = np.random.default_rng(0)
    image = rng.random((6, *shape), dtype="float32")
    one_hot = np.eye(4, dtype="float32")[[0, 1, 2, 3, 0, 0]]
    one_hot[4:] = [0, 0, 0, 0], [0.2, 0.3, 0.5, 0]  # an unknown label, a relaxed one
    options = {"strides": strides, "padding": padding, "activation": "tanh"}
    folded = conv.LabelConv2D(5, 3, **options)
    planes = keras.layers.Conv2D(5, 3, **options)
    inputs = [keras.Input(shape), keras.Input((4,))]
    models = [
        keras.Model(inputs, folded(inputs)),
        keras.Model(inputs, planes(networks.join_planes(*inputs))),
    ]
    folded.bias.assign(rng.normal(size=5))
    models[1].set_weights(models[0].get_weights())
    outputs = [model.predict([image, one_hot], verbose=0) for model in models]
    np.testing.assert_allclose(*outputs, atol=1e-6)
    for model in models:  # and the same gradients
        model.compile(keras.optimizers.SGD(1.0), "mse")
        model.train_on_batch([image, one_hot], np.ones_like(outputs[0]))
    for one, other in zip(*(model.get_weights() for model in models), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
