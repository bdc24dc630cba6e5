"""What every network has: named inputs, y that reaches both sides, pixels of 0..255; names."""

import inspect

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import conditions, networks

SHAPES = {
    "dense": [(784,), (5,), (28, 28, 1), (8, 8), (33, 47, 3)],
    "conv": [(28, 28, 1), (32, 32, 3), (33, 47, 1), (33, 47, 3), (8, 8), (5, 1, 1)],
    "residual": [(28, 28, 1), (33, 47, 3), (8, 8), (5, 1, 1)],
}
CASES = [
    pytest.param(network, shape, marks=() if place == 1 else pytest.mark.once)
    for network, shapes in SHAPES.items()
    for place, shape in enumerate(shapes)
]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("condition", [None, 4])
@pytest.mark.parametrize(("network", "shape"), CASES)
def test_any_image_size_and_vector_length(network, shape, condition):
    encoder = networks.get(network).encoder(shape, condition, 3)
    decoder = networks.get(network).decoder(shape, condition, 3)
    assert encoder.output_shape == [(None, 3)] * 2 and decoder.output_shape == (None, *shape)
    if condition:
        x, y = np.random.default_rng(0).random((2, *shape), dtype="float32"), np.int32([1, 3])
        x, y = keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(y)
        z_mean, z_log_var = encoder([x, y])
        assert z_mean.shape == z_log_var.shape == (2, 3)
        assert tuple(decoder([z_mean, y]).shape) == (2, *shape)
    assert encoder.name == "encoder" and decoder.name == "decoder"
    names = [tensor.name for tensor in encoder.inputs + decoder.inputs]
    assert names == (["image", "label", "z", "label"] if condition else ["image", "z"])


@pytest.mark.parametrize("network", SHAPES)
def test_the_label_reaches_encoder_and_decoder(network):
    encoder = networks.get(network).encoder((9, 7, 1), 3, 2)
    decoder = networks.get(network).decoder((9, 7, 1), 3, 2)
    x, z = np.ones((4, 9, 7, 1), "float32"), np.ones((4, 2), "float32")
    y = np.int32([0, 1, 2, -1])
    for outputs in (numpy(encoder([x, y])[0]), numpy(decoder([z, y])).reshape(4, -1)):
        assert len(np.unique(outputs.round(6), axis=0)) == 4


def test_uint8_images_are_scaled_in_the_graph():
    encoder = keras_cvae.build_dense_encoder((5,), 3, 2)
    x = np.random.default_rng(0).integers(0, 256, (6, 5)).astype("uint8")
    y = np.zeros(6, "int32")
    expected = numpy(encoder([np.float32(x) / 255, y])[0])
    for given in ([x, y], (x, y), {"image": x, "label": y}):
        np.testing.assert_allclose(numpy(encoder(given)[0]), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.predict([x, y], verbose=0)[0], expected, atol=1e-5)


BUILDERS = {
    "dense": (networks.Dense, {"hidden_units": (7, 5), "activation": "tanh"}),
    "conv": (networks.Conv, {"filters": (3, 4), "kernel_size": 5, "activation": "tanh"}),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_an_object_and_its_builders_make_the_same_models(name):
    kind, options = BUILDERS[name]
    for part in ("encoder", "decoder"):
        build = getattr(keras_cvae, f"build_{name}_{part}")
        built = build((9, 7, 1), 4, 3, **options)
        made = getattr(kind(**options), part)((9, 7, 1), 4, 3)
        assert [w.shape for w in made.weights] == [w.shape for w in built.weights]
        made.set_weights(built.get_weights())
        rng = np.random.default_rng(0)
        first = rng.random((2, *built.inputs[0].shape[1:]), dtype="float32")
        given = [first, np.int32([1, -1])]
        for ours, expected in zip(
            keras.tree.flatten(made(given)), keras.tree.flatten(built(given)), strict=True
        ):
            np.testing.assert_array_equal(numpy(ours), numpy(expected))
        defaults = inspect.signature(build).parameters
        for option in options:
            assert defaults[option].default == inspect.signature(kind).parameters[option].default


def test_an_embedded_condition_is_one_input():
    """What the networks inside a graph are given: y itself, of whatever condition."""
    encoder = networks.Dense((5,)).encoder((6,), conditions.Embedded(4), 2)
    assert [(tensor.name, tuple(tensor.shape)) for tensor in encoder.inputs] == [
        ("image", (None, 6)),
        ("y", (None, 4)),
    ]
    cvae = keras_cvae.build_cvae((6,), conditions.Vector(3, mean=0.0, variance=1.0))
    for part in ("encoder", "decoder"):
        (_, y) = cvae.get_layer(part).inputs
        assert y.name == "y" and y.shape[-1] == 4


@pytest.mark.once
def test_get():
    for name, kind in networks.NAMES.items():
        assert type(networks.get(name)) is kind
    dense = networks.Dense()
    assert networks.get(dense) is dense
    body = keras.Sequential([keras.layers.Dense(3)])
    assert type(networks.get((body, body))) is networks.Own
    assert type(networks.get([body, body])) is networks.Own


NO_NETWORK = {
    "a single model": (
        lambda: networks.get(keras.Sequential([keras.layers.Dense(3)])),
        r"must be a pair \(encoder_body, decoder_body\).*Received: one Sequential",
    ),
    "a misspelt name": (lambda: networks.get("dens"), "Did you mean 'dense'"),
    "a class": (lambda: networks.get(networks.Dense), "`network` must be one of 'dense'"),
    "three models": (lambda: networks.get([None] * 3), "`network` must be one of 'dense'"),
    "a pair of nothing": (lambda: networks.get((None, None)), "must be a pair.*Received: None"),
    "units": (
        lambda: networks.Dense(hidden_units=64),
        "`hidden_units` must be a list or tuple of one or more integers.*Received: 64",
    ),
    "no activation": (
        lambda: networks.Conv(activation="nope"),
        "`activation` must be a function, or the name of one.*Received: 'nope'",
    ),
    "no units": (lambda: networks.Dense(()), "`hidden_units` must be a list or tuple"),
    "filters": (lambda: networks.Conv(filters=32), "`filters` must be a list or tuple"),
    "negative filters": (lambda: networks.Conv((32, -1)), "`filters` must be a list or tuple"),
    "kernel": (lambda: networks.Conv(kernel_size=0), "`kernel_size` must be an integer of at"),
    "residual filters": (lambda: networks.Residual(64), "`filters` must be a list or tuple"),
    "no blocks": (lambda: networks.Residual(blocks=0), "`blocks` must be an integer of at least 1"),
    "residual kernel": (lambda: networks.Residual(kernel_size=1.5), "`kernel_size` must be an int"),
    "hierarchy": (lambda: networks.Hierarchical("dens"), "Did you mean 'dense'"),
    "top_dim": (lambda: networks.Hierarchical(top_dim=0), "`top_dim` must be an integer of at"),
    "lower units": (
        lambda: networks.Hierarchical(hidden_units=128),
        "`hidden_units` must be a list or tuple",
    ),
}


@pytest.mark.once
@pytest.mark.parametrize("case", NO_NETWORK)
def test_an_invalid_network_raises_an_error(case):
    make, message = NO_NETWORK[case]
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert len(str(caught.value)) < 500
