"""Settings chosen from data."""

import keras
import numpy as np
import pytest

from keras_cvae import build_cvae, likelihoods, tables
from keras_cvae.runs import choosing

pytestmark = pytest.mark.once

RNG = np.random.default_rng(0)


def chosen(x):
    return {name: choice.value for name, choice in choosing.choose(x).items()}


def test_the_likelihood_follows_the_values():
    grey = RNG.random((50, 8, 8, 1), dtype="float32")
    black_and_white = (grey > 0.5).astype("uint8") * 255
    assert chosen(grey)["likelihood"] == "optimal_gaussian"
    assert chosen(black_and_white)["likelihood"] == "bernoulli"
    assert type(chosen(1000 * grey.reshape(50, 64))["likelihood"]) is likelihoods.Gaussian


def test_sizes_follow_the_data():
    small = chosen(np.zeros((1000, 8, 8, 1), "float32"))
    large = chosen(np.zeros((60_000, 28, 28, 1), "uint8"))
    columns = np.ones((100, 784), "float32")
    assert small["batch_size"] < large["batch_size"] and small["epochs"] > large["epochs"]
    assert 10 <= large["epochs"] and small["epochs"] <= 200
    assert small["latent_dim"] == large["latent_dim"] == 16
    assert chosen(np.ones((100, 5), "float32"))["latent_dim"] == 2
    network = chosen(np.zeros((10, 96, 96, 3), "uint8"))["network"]
    assert type(network).__name__ == "Conv" == type(large["network"]).__name__
    assert type(small["network"]).__name__ == "Dense" == type(chosen(columns)["network"]).__name__
    dense = choosing.choose(np.zeros((60_000, 28, 28, 1), "uint8"), network="dense")
    assert dense["epochs"].value > large["epochs"]
    for choice in choosing.choose(np.zeros((10, 8, 8, 1), "uint8")).values():
        assert choice.reason


def test_beta_increases_with_the_redundancy_of_pixels():
    def beta(x, fit_prior=False, **given):
        return choosing.choose(x, fit_prior=fit_prior, **given)["objective"].value.beta

    grey = RNG.random((20, 20, 20, 1), dtype="float32")
    assert beta(grey, fit_prior=True) == 1.0  # a fitted prior separates class and style
    assert beta(grey[:, :8, :8], fit_prior=True) == choosing.LEAST_BETA
    assert beta(grey) == 5.7 and beta(grey[:, :8, :8]) == choosing.LEAST_BETA
    assert beta((grey > 0.5).astype("float32")) == choosing.BINARY_BETA
    assert beta(grey, likelihood="bernoulli") == choosing.BINARY_BETA
    assert beta(grey, likelihood="logistic_mixture") == 1.0
    assert beta(grey.reshape(20, 400)) == 1.0  # columns are no pixels
    rows = tables.AutoregressiveColumns({"one": "numeric", "two": ["a", "b"]})
    assert beta(np.zeros((20, 2), "float32"), likelihood=rows) == choosing.AUTOREGRESSIVE_BETA


def test_few_images_with_little_noise_are_learned():
    """Spots of light: where a variance is learned, z is silent for thousands of steps."""
    at = RNG.uniform(3, 9, (512, 2, 1, 1))
    rows, columns = np.mgrid[:12, :12]
    distances = (rows - at[:, 0]) ** 2 + (columns - at[:, 1]) ** 2
    spots = np.exp(-distances / 3)[..., None].astype("float32")
    settings = chosen(spots)
    batch_size, _ = settings.pop("batch_size"), settings.pop("epochs")
    vae = build_cvae(spots.shape[1:], **settings)
    vae.compile(keras.optimizers.Adam(1e-3))
    vae.fit(spots, batch_size=batch_size, epochs=20, verbose=0)
    left = np.mean(np.square(spots - vae.reconstruct(spots)))
    assert left < 0.05 * spots.var(0).mean()
