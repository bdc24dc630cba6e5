import keras
import numpy as np
import pytest
from scipy import stats

from keras_cvae import build_cvae, likelihoods, networks


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize("variance", [0.01, 1.0, 4.0])
def test_gaussian_equals_scipy(variance):
    rng = np.random.default_rng(0)
    x, mean = rng.normal(size=(2, 6, 4, 3)).astype("float32")
    ours = numpy(likelihoods.Gaussian(variance).log_prob(x, mean))
    expected = stats.norm(mean, np.sqrt(variance)).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_gaussian_samples_have_its_mean_and_variance():
    samples = numpy(likelihoods.Gaussian(0.25).sample(np.full((40_000, 1), 0.3, "float32"), seed=1))
    assert abs(samples.mean() - 0.3) < 4 * 0.5 / np.sqrt(len(samples))
    assert abs(samples.var() / 0.25 - 1) < 4 * np.sqrt(2 / len(samples))


@pytest.mark.once
def test_learned_variance_becomes_that_of_the_residuals():
    x = np.random.default_rng(0).normal(0.4, 0.2, size=(512, 6)).astype("float32")
    gaussian = likelihoods.Gaussian(1.0, learn_variance=True)
    vae = build_cvae((6,), latent_dim=1, likelihood=gaussian, network=networks.Dense((8,)))
    vae.compile(keras.optimizers.Adam(0.02))
    vae.fit(x, epochs=60, batch_size=128, verbose=0)
    residual = np.mean(((x - vae.reconstruct(x)) / x.std(0)) ** 2)
    assert abs(np.exp(numpy(vae.likelihood.log_variance)) / residual - 1) < 0.2
    assert not likelihoods.Gaussian(1.0).trainable_variables


@pytest.mark.parametrize("variance", [0, -1.0, float("nan"), float("inf"), "big"])
def test_an_invalid_variance_raises_an_error(variance):
    with pytest.raises(ValueError, match="`variance` must be a finite number above 0. Received"):
        likelihoods.Gaussian(variance)
