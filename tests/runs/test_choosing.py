"""Settings chosen from data."""

import numpy as np
import pytest

from keras_cvae import likelihoods
from keras_cvae.runs import choosing

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


def chosen(x):
    return {name: choice.value for name, choice in choosing.choose(x).items()}


def test_the_likelihood_follows_the_values():
    grey = RNG.random((50, 8, 8, 1), dtype="float32")
    black_and_white = (grey > 0.5).astype("uint8") * 255
    assert type(chosen(grey)["likelihood"]) is likelihoods.OptimalGaussian
    assert chosen(black_and_white)["likelihood"] == "bernoulli"
    assert type(chosen(1000 * grey.reshape(50, 64))["likelihood"]) is likelihoods.OptimalGaussian


def test_sizes_follow_the_data():
    small = chosen(np.zeros((1000, 8, 8, 1), "float32"))
    large = chosen(np.zeros((60_000, 28, 28, 1), "uint8"))
    assert small["batch_size"] < large["batch_size"] and small["epochs"] > large["epochs"]
    assert 20 <= large["epochs"] and small["epochs"] <= 200
    assert small["latent_dim"] == large["latent_dim"] == 16
    assert chosen(np.ones((100, 5), "float32"))["latent_dim"] == 2
    network = chosen(np.zeros((10, 96, 96, 3), "uint8"))["network"]
    assert type(network).__name__ == "Conv"
    for choice in choosing.choose(np.zeros((10, 8, 8, 1), "uint8")).values():
        assert choice.reason


def test_the_more_pixels_repeat_each_other_the_less_each_counts():
    def beta(x, **given):
        return choosing.choose(x, **given)["objective"].value.beta

    grey = RNG.random((20, 20, 20, 1), dtype="float32")
    assert beta(grey) == 4.0 and beta(grey[:, :10, :10]) == choosing.LEAST_BETA
    assert beta((grey > 0.5).astype("float32")) == choosing.BINARY_BETA
    assert beta(grey, likelihood="bernoulli") == choosing.BINARY_BETA
    assert beta(grey, likelihood="logistic_mixture") == 1.0
    assert beta(grey.reshape(20, 400)) == 1.0  # columns are no pixels
