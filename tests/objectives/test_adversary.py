"""The loss of the adversary, and the gradients of adversary and encoder."""

import keras
import numpy as np
import pytest
from sklearn.metrics import r2_score

import keras_cvae
from keras_cvae import networks, objectives, terms
from keras_cvae.objectives.adversary import AdversaryLoss, unexplained_variance

RNG = np.random.default_rng(0)
Z = RNG.normal(size=(9, 3)).astype("float32")
Y = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2, 0, 1, 1]]
KNOWN = np.arange(9) % 4 > 0
PREDICTED = RNG.normal(size=(9, 3)).astype("float32")


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def shares(y, predicted):
    return numpy(unexplained_variance(*map(keras.ops.convert_to_tensor, (y, predicted))))


def call_layer(layer, z, y):
    layer([keras.ops.convert_to_tensor(part) for part in (z, y)])
    return sum(layer.losses)


def test_the_loss_is_1_minus_r2_of_examples_with_known_y():
    for rows in (np.full(9, True), KNOWN):
        found = shares(rows[:, None] * Y, PREDICTED)
        assert (found[~rows] == 0).all()
        r2 = r2_score(Y[rows], PREDICTED[rows], multioutput="variance_weighted")
        assert found.mean() == pytest.approx(1 - r2, rel=1e-5)
    slant = np.c_[RNG.normal(size=9), np.ones(9)].astype("float32")
    r2 = r2_score(slant[:, :1], PREDICTED[:, :1])
    exact = np.c_[PREDICTED[:, :1], slant[:, 1:]]
    assert shares(slant, exact).mean() == pytest.approx(1 - r2, rel=1e-5)
    for nothing in (0 * Y, Y[[0] * 9]):
        assert (shares(nothing, PREDICTED) == 0).all()


@pytest.mark.parametrize("scale", [0.1, 2.0])
def test_the_gradient_is_reversed_until_nothing_is_predicted(scale, gradient):
    """An adversary that is right, or far from it."""
    layer = AdversaryLoss(7.0, (3,))
    layer.build([(None, 3), (None, 3)])
    one = np.eye(3, dtype="float32")
    # Together the identity, of what is above -20.
    layer.network[0].set_weights([one, np.full(3, 20.0, "float32")])
    layer.network[1].set_weights([one, np.full(3, -20.0, "float32")])
    z = Y + np.float32(scale) * Z

    with terms.step() as step:
        call_layer(layer, z, Y)
    error = float(numpy(step.losses[0]))
    assert error == pytest.approx(1 - r2_score(Y, z, multioutput="variance_weighted"), rel=1e-4)
    assert (error < 1) == (scale < 1)
    y, fixed = map(keras.ops.convert_to_tensor, (Y, z))
    (plain,) = gradient(lambda z: keras.ops.mean(unexplained_variance(y, z)), z)
    (of_z,) = gradient(lambda z: call_layer(layer, z, Y), z)
    np.testing.assert_allclose(of_z, -7.0 * plain * (error < 1), rtol=1e-4, atol=1e-6)
    (of_y,) = gradient(lambda y: call_layer(layer, fixed + 0 * keras.ops.sum(y), y), Y)
    np.testing.assert_array_equal(of_y, 0)


def test_sample_weights_apply_to_the_term():
    layer, weights = AdversaryLoss(hidden_units=(4,)), np.float32(np.arange(9) % 3)
    with terms.step(weights) as step:
        call_layer(layer, Z, Y)
    each = shares(Y, numpy(layer.predict(keras.ops.convert_to_tensor(Z))))
    expected = (weights * each).mean()
    assert float(numpy(step.losses[0])) == pytest.approx(expected, rel=1e-5)
    assert float(numpy(step.reported[layer.name])) == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.once
def test_z_contains_less_information_on_the_label():
    """Of images that are their label and noise."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 600)
    x = np.float32(np.repeat(3 * np.eye(3)[y], 4, axis=1) + rng.normal(0, 0.3, (600, 12)))
    options = {"network": networks.Dense((16,)), "likelihood": "gaussian"}
    objective = objectives.Adversary(0.0, hidden_units=(16,))
    cvae = keras_cvae.build_cvae((12,), 3, 2, objective=objective, **options)
    layer = cvae.get_layer("adversary")
    found = []
    for weight in (0.0, 30.0):
        layer.weight = weight
        cvae.compile(keras.optimizers.Adam(1e-2))
        history = cvae.fit([x, y], epochs=8, batch_size=100, verbose=0).history
        measured = cvae.evaluate([x, y], verbose=0, return_dict=True, draws=1)
        found.append(measured["adversary"])
        assert measured["loss"] == pytest.approx(measured["adversary"] - measured["elbo"], rel=1e-4)
        assert {"adversary", "elbo", "kl"} <= set(history)
    assert found[0] < 0.7 < 0.8 < found[1]


@pytest.mark.once
def test_invalid_arguments_raise_an_error():
    for kind in (objectives.Adversary, AdversaryLoss):
        with pytest.raises(ValueError, match="`weight` must be a finite number of at least 0"):
            kind(-1)
        with pytest.raises(ValueError, match="`hidden_units` must be"):
            kind(hidden_units=3)
    with pytest.raises(ValueError, match="must be used with a `condition`"):
        keras_cvae.build_cvae((6,), None, 4, objective="adversary")
