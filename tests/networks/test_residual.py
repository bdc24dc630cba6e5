"""Residual networks: blocks that start as the identity, and whose features y scales and shifts."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks

BUILD = {
    "encoder": lambda *given, **options: networks.Residual(**options).encoder(*given),
    "decoder": lambda *given, **options: networks.Residual(**options).decoder(*given),
}
Y = np.int32([0, 1, 2, -1])


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def same_in_each_row(model):
    """One random image or z four times, beside `Y`."""
    first = np.random.default_rng(0).random((1, *model.inputs[0].shape[1:]), dtype="float32")
    return [first.repeat(4, axis=0), Y]


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


def test_film_is_one_plus_a_linear_scale_and_a_linear_shift():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(4, 3, 2, 5)), np.float32([[1, 0], [0, 1], [0.5, 2], [0, 0]])
    film = networks.FiLM()
    np.testing.assert_array_equal(numpy(film([np.float32(x), y])), np.float32(x))
    scale, shift = rng.normal(size=(2, 2, 5))
    film.set_weights([scale, shift])
    expected = [(1 + row @ scale) * image + row @ shift for image, row in zip(x, y, strict=True)]
    np.testing.assert_allclose(numpy(film([np.float32(x), y])), expected, rtol=1e-5, atol=1e-6)


def test_each_size_of_the_encoder_is_half_the_last_and_the_decoder_mirrors_it():
    encoder, decoder = (
        build((9, 7, 3), 3, 2, filters=(4, 6), blocks=2) for build in BUILD.values()
    )
    sizes = [
        [layer.output.shape[1:] for layer in of_kind(model, keras.layers.Add)]
        for model in (encoder, decoder)
    ]
    assert sizes[0] == [(5, 4, 4)] * 2 + [(3, 2, 6)] * 2
    assert sizes[1] == [(3, 2, 6)] * 2 + [(6, 4, 4)] * 2
    assert decoder.get_layer("parameters").output.shape == (None, 12, 8, 3)
    assert decoder.output_shape == (None, 9, 7, 3)


@pytest.mark.parametrize("part", BUILD)
def test_a_block_starts_as_the_identity(part):
    model = BUILD[part]((9, 7, 1), 3, 2, filters=(4, 6), blocks=2)
    sums = of_kind(model, keras.layers.Add)
    before_and_after = [tensor for add in sums for tensor in (add.input[0], add.output)]
    outputs = keras.Model(model.inputs, before_and_after)(same_in_each_row(model))
    assert len(sums) == 4
    for before, after in zip(outputs[::2], outputs[1::2], strict=True):
        assert np.abs(numpy(before)).max() > 0
        np.testing.assert_array_equal(numpy(before), numpy(after))


@pytest.mark.parametrize("part", BUILD)
def test_the_condition_changes_the_features_of_every_block(part):
    """Each on its own: y is cut off where it enters beside the channels or beside z."""
    model = BUILD[part]((9, 7, 1), 3, 2, filters=(4, 6), activation="tanh")
    rng = np.random.default_rng(1)
    for weight in model.weights:
        weight.assign(0.5 * rng.standard_normal(weight.shape))
    kinds = {"encoder": networks.LabelConv2D, "decoder": keras.layers.Dense}
    first = of_kind(model, kinds[part])[0]
    kernel, bias = first.get_weights()
    kernel[..., -3:, :] = 0
    first.set_weights([kernel, bias])
    films = of_kind(model, networks.FiLM)
    weights = [film.get_weights() for film in films]
    assert len(films) == 2

    def spread():
        outputs = numpy(keras.tree.flatten(model(same_in_each_row(model)))[0])
        return np.abs(outputs - outputs[-1:]).max(axis=tuple(range(1, outputs.ndim)))[:-1]

    for film in films:
        film.set_weights([0 * weight for weight in film.get_weights()])
    assert spread().max() < 1e-5
    for film, its_weights in zip(films, weights, strict=True):
        film.set_weights(its_weights)
        assert spread().min() > 1e-3
        film.set_weights([0 * weight for weight in its_weights])


def test_without_a_condition_nothing_is_scaled():
    for build in BUILD.values():
        assert not of_kind(build((9, 7, 1), None, 2, filters=(4,)), networks.FiLM)


@pytest.mark.parametrize("part", BUILD)
def test_an_image_does_not_depend_on_those_beside_it(part):
    model = BUILD[part]((9, 7, 1), 3, 2, filters=(4, 6))
    rng = np.random.default_rng(2)
    for weight in model.weights:
        weight.assign(0.3 * rng.standard_normal(weight.shape))
    first = rng.random((4, *model.inputs[0].shape[1:]), dtype="float32")
    together, alone = (
        numpy(keras.tree.flatten(model([first[:n], Y[:n]], training=True))[0][:1]) for n in (4, 1)
    )
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.once
def test_vectors_raise_an_error():
    for build in BUILD.values():
        with pytest.raises(ValueError, match=r'network="dense" takes vectors. Received: \(784,\)'):
            build((784,), 10, 2)


def test_half_precision_ends_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        models = [build((9, 7, 1), 3, 2, filters=(4,)) for build in BUILD.values()]
    finally:
        keras.config.set_dtype_policy(before)
    for model in models:
        for output in keras.tree.flatten(model(same_in_each_row(model))):
            assert keras.backend.standardize_dtype(output.dtype) == "float32"


@pytest.mark.slow
@pytest.mark.once
def test_a_residual_network_learns_as_well_as_plain_convolutions(digits):
    losses = {}
    for kind in (networks.Conv, networks.Residual):
        keras.utils.set_random_seed(0)
        cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=kind((16,)))
        cvae.compile(keras.optimizers.Adam(5e-3))
        data = [digits.x_train, digits.y_train]
        losses[kind] = cvae.fit(data, batch_size=64, epochs=4, verbose=0).history["loss"][-1]
    assert losses[networks.Residual] < losses[networks.Conv] + 0.5
