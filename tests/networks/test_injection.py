"""Where y enters: at the inputs, in every hidden layer, or as a scale and a shift."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import networks

KINDS = {"dense": (networks.Dense, (6, 5)), "conv": (networks.Conv, (3, 4))}
PARTS = ("encoder", "decoder")
Y = np.int32([0, 1, 2, -1])


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def build(kind, part, inject, condition=3):
    make, sizes = KINDS[kind]
    return getattr(make(sizes, activation="tanh", inject=inject), part)((9, 7, 1), condition, 2)


def outputs(model):
    first = np.random.default_rng(0).random((4, *model.inputs[0].shape[1:]), dtype="float32")
    return [numpy(tensor) for tensor in keras.tree.flatten(model([first, Y]))]


def weigh(model, seed):
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(0.5 * rng.standard_normal(weight.shape))


def with_weights(model):
    kinds = keras.layers.Dense, keras.layers.Conv2D, keras.layers.Conv2DTranspose
    return [layer for layer in model.layers if isinstance(layer, (*kinds, networks.LabelConv2D))]


def of_kind(model, kind):
    return [layer for layer in model.layers if type(layer) is kind]


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_film_starts_equal_to_y_at_the_inputs(kind, part):
    plain, film = build(kind, part, "input"), build(kind, part, "film")
    films = of_kind(film, networks.FiLM)
    assert len(films) == 2 + (kind == "conv" and part == "decoder")  # and its dense layer
    weigh(plain, 0)
    for layer, of_plain in zip(with_weights(film), with_weights(plain), strict=True):
        layer.set_weights(of_plain.get_weights())
    for ours, expected in zip(outputs(film), outputs(plain), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)

    for layer in films:  # each has an effect of its own, and none where y is unknown
        before = outputs(film)[0]
        layer.set_weights([0.5 + w for w in layer.get_weights()])
        change = np.abs(outputs(film)[0] - before).reshape(4, -1).max(1)
        assert change[:3].min() > 1e-4 and change[3] < 1e-6


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_y_in_every_layer_is_y_at_the_inputs_where_its_other_weights_are_zero(kind, part):
    plain, every = build(kind, part, "input"), build(kind, part, "every_layer")
    weigh(plain, 0)
    grown = 0
    for layer, of_plain in zip(with_weights(every), with_weights(plain), strict=True):
        (kernel, *bias), (wanted, *_) = of_plain.get_weights(), layer.get_weights()
        axis = -1 if "Transpose" in type(layer).__name__ else -2  # of the layer's inputs
        missing = wanted.shape[axis] - kernel.shape[axis]
        assert missing in (0, 3)
        grown += missing > 0
        pads = [(0, 0)] * kernel.ndim
        pads[axis] = (0, missing)
        layer.set_weights([np.pad(kernel, pads), *bias])
    assert grown == 1 + (kind == "conv" and part == "decoder")  # of the hidden layers but the first
    for ours, expected in zip(outputs(every), outputs(plain), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)

    weigh(every, 1)
    first = with_weights(every)[0]
    kernel, bias = first.get_weights()
    kernel[..., -3:, :] = 0  # y is cut off from the first layer
    first.set_weights([kernel, bias])
    first = np.ones((4, *every.inputs[0].shape[1:]), "float32")
    found = numpy(keras.tree.flatten(every([first, Y]))[0]).reshape(4, -1)
    assert len(np.unique(found.round(5), axis=0)) == 4


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize("inject", ["every_layer", "film"])
@pytest.mark.parametrize("kind", KINDS)
def test_training_saving_loading_and_generating(kind, inject, tmp_path):
    make, sizes = KINDS[kind]
    cvae = keras_cvae.build_cvae((5, 4, 1), 3, 2, network=make(sizes, inject=inject))
    cvae.compile("adam")
    x = np.random.default_rng(0).random((8, 5, 4, 1), dtype="float32")
    cvae.fit([x, np.resize(Y, 8)], verbose=0)
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.generate(Y, seed=0), cvae.generate(Y, seed=0), atol=1e-6)


def test_without_a_condition_there_is_nothing_to_inject():
    for kind, (make, sizes) in KINDS.items():
        for part in PARTS:
            plain, film = (
                getattr(make(sizes, inject=inject), part)((9, 7, 1), None, 2)
                for inject in ("input", "film")
            )
            assert [type(a) for a in film.layers] == [type(b) for b in plain.layers], kind


@pytest.mark.once
@pytest.mark.parametrize("make", [networks.Dense, networks.Conv])
def test_an_unknown_injection_raises_an_error(make):
    with pytest.raises(
        ValueError, match="`inject` must be one of 'input', 'every_layer', 'film'. Did"
    ):
        make(inject="fillm")
