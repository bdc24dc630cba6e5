"""`evaluate` returns the same values in every call."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks
from keras_cvae.fitting import inside


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.slow
def test_estimates_are_seeded_and_accurate_to_two_decimals(trained_on_digits, digits):
    x, y = digits.x_test, digits.y_test
    first, again, other = (
        trained_on_digits.evaluate([x, y], verbose=0, seed=seed, return_dict=True)
        for seed in (0, 0, 1)
    )
    assert first == again != other
    for name in first:
        assert other[name] == pytest.approx(first[name], abs=0.02), name
    once = [trained_on_digits.evaluate([x, y], verbose=0, seed=s, draws=1)[0] for s in range(4)]
    assert np.std(once) > 1.5 * abs(first["loss"] - other["loss"])
    terms = evaluation.terms(trained_on_digits, x, y, draws=180)
    assert first["elbo"] == pytest.approx(terms["elbo"].mean(), abs=0.05)
    assert trained_on_digits.evaluate([x, y], verbose=0) == [
        first[n] for n in trained_on_digits.metrics_names
    ]


def test_evaluation_does_not_change_further_training(trained_on_digits, digits):
    states = inside.generator_states(trained_on_digits)
    assert len(states) == 2  # of the sampling layer, and of what hides labels
    before = [numpy(state).copy() for state in states]
    trained_on_digits.evaluate([digits.x_test, digits.y_test], verbose=0)
    for state, value in zip(states, before, strict=True):
        np.testing.assert_array_equal(numpy(state), value)


def test_data_too_large_to_repeat_are_evaluated_in_several_passes(monkeypatch):
    calls = []

    def evaluate(arrays, batch_size, verbose):
        calls.append((len(arrays["image"]), batch_size, verbose))
        return {"loss": float(len(calls))}

    arrays = {"image": np.zeros((10, 4), "float32")}
    monkeypatch.setattr(evaluation.repeated, "REPEATED", 3 * arrays["image"].nbytes)
    result = evaluation.average_over_draws(evaluate, arrays, 5, batch_size=None, verbose=1)
    assert calls == [(30, 30, 1), (30, 30, 0)] and result == {"loss": 1.5}
    calls.clear()
    options = {"copies": False, "batch_size": None, "verbose": 1}
    assert evaluation.average_over_draws(evaluate, arrays, 3, **options) == {"loss": 2.0}
    assert calls == [(10, None, 1), (10, None, 0), (10, None, 0)]  # each example once a pass


@pytest.mark.parametrize("draws", [0, 1.5, "many"])
def test_an_invalid_number_of_draws_raises_an_error(trained_on_digits, digits, draws):
    with pytest.raises(ValueError, match="`draws` must be an integer of at least 1"):
        trained_on_digits.evaluate([digits.x_test, digits.y_test], draws=draws)


@pytest.mark.once
def test_early_stopping_under_warm_up_by_the_elbo(digits):
    """With a small beta the loss is low, and the bound is not good.

    Beta is the learning rate at first, one number of two variables, which JAX keeps in one array.
    """

    class WarmUp(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("kl").beta.assign(0.01 if epoch < 4 else 1.0)

    cvae = keras_cvae.build_cvae(
        (8, 8, 1), 10, 8, network=networks.Dense((32,)), likelihood="gaussian"
    )
    cvae.compile(keras.optimizers.Adam(1e-2))
    data = [digits.x_train, digits.y_train]
    held_out = ([digits.x_test, digits.y_test], None)
    stopping = keras.callbacks.EarlyStopping(
        "val_elbo", mode="max", patience=9, restore_best_weights=True
    )
    callbacks = [WarmUp(), stopping]
    history = cvae.fit(
        data, validation_data=held_out, epochs=8, callbacks=callbacks, verbose=0
    ).history
    for kind in ("", "val_"):
        bound = -np.add(history[f"{kind}reconstruction"], history[f"{kind}kl"])
        np.testing.assert_allclose(history[f"{kind}elbo"], bound, rtol=1e-4, atol=1e-4)
    assert np.argmin(history["val_loss"]) < 4 <= stopping.best_epoch
