"""Errors and warnings of `fit` during and after training."""

import warnings

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import likelihoods, networks


def build(digits, optimizer="adam", **options):
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=networks.Dense((32,)), **options)
    cvae.compile(optimizer)
    return cvae


class Diverge(keras.callbacks.Callback):
    """Makes the learning rate absurd after one epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            self.model.optimizer.learning_rate.assign(1e30)


def test_a_loss_that_is_not_finite_stops_fit_with_the_last_good_weights(digits):
    cvae = build(digits)
    message = "in epoch 2 loss is .*after epoch 1.*learning rate 1e"
    with pytest.raises(ValueError, match=message):
        cvae.fit([digits.x_train, digits.y_train], epochs=5, verbose=0, callbacks=[Diverge()])
    assert np.isfinite(cvae.generate(range(10), seed=0)).all()
    cvae.optimizer.learning_rate.assign(1e-3)
    history = cvae.fit([digits.x_train, digits.y_train], verbose=0).history
    assert np.isfinite(history["loss"]).all()


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_the_warning_names_the_initial_rate_of_a_schedule(digits):
    schedule = keras.optimizers.schedules.PolynomialDecay(1e30, 2, 0.0)
    with pytest.raises(ValueError, match="learning rate 1e"):
        build(digits, keras.optimizers.Adam(schedule)).fit(
            [digits.x_train[:200], digits.y_train[:200]], epochs=5, verbose=0
        )


@pytest.mark.once
def test_a_collapsed_posterior_warns(digits):
    cvae = build(digits, keras.optimizers.Adam(1e-2), likelihood=likelihoods.Gaussian(5.0))
    with pytest.warns(UserWarning, match="collapse: the KL divergence is 0.0. nats.*beta"):
        cvae.fit([digits.x_train, digits.y_train], epochs=5, verbose=0)


@pytest.mark.once
def test_an_ignored_label_warns(digits):
    """A label that is drawn by lot."""
    cvae = build(digits, keras.optimizers.Adam(3e-3))
    labels = np.random.default_rng(0).integers(0, 10, len(digits.x_train))
    with pytest.warns(UserWarning, match="ignores its label"):
        cvae.fit([digits.x_train, labels], epochs=12, verbose=0)


@pytest.mark.once
def test_a_good_model_does_not_warn(digits):
    cvae = build(digits, keras.optimizers.Adam(3e-3), likelihood="gaussian")
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        cvae.fit([digits.x_train, digits.y_train], epochs=10, verbose=0)
