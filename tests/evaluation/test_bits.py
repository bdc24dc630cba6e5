"""Bits per dimension of levels, of densities and of probabilities."""

import numpy as np
import pytest
import scipy.stats

import keras_cvae
from keras_cvae import evaluation, likelihoods, networks
from tests.evaluation import known

NETWORK = networks.Dense((4,))


def test_probabilities_are_used_unchanged():
    cvae = keras_cvae.build_cvae((2, 3, 1), None, 1, network=NETWORK)
    binary = np.float32(np.random.default_rng(0).integers(0, 2, (5, 2, 3, 1)))
    images, levels = evaluation.as_levels(cvae, binary)
    assert levels is None
    np.testing.assert_array_equal(images, binary)
    with pytest.raises(ValueError, match="must be at the 2 levels of Bernoulli"):
        evaluation.as_levels(cvae, binary / 3)
    binarised = keras_cvae.build_cvae((2, 3, 1), None, 1, network=NETWORK, binarize="threshold")
    assert evaluation.as_levels(binarised, binary / 3)[1] is None
    five = likelihoods.Categorical(5)
    cvae = keras_cvae.build_cvae((2, 3, 1), None, 1, network=NETWORK, likelihood=five)
    assert evaluation.as_levels(cvae, np.round(4 * binary / 3) / 4)[1] is None
    with pytest.raises(ValueError, match="must be at the 5 levels of Categorical"):
        evaluation.as_levels(cvae, binary / 3)


def test_the_noise_of_a_density_fills_its_levels():
    cvae = known.Linear().cvae
    x = np.random.default_rng(0).integers(0, 256, (2000, 5)).astype("uint8")
    filled, levels = evaluation.as_levels(cvae, x)
    assert levels == 256 and filled.dtype == np.float32
    assert scipy.stats.kstest((256 * filled - x).ravel(), "uniform").pvalue > 1e-3
    np.testing.assert_array_equal(np.floor(256 * filled), x)
    assert (filled != evaluation.as_levels(cvae, x, seed=1)[0]).mean() > 0.9
    with pytest.raises(ValueError, match="must be uint8 for the density of Gaussian .*float32"):
        evaluation.as_levels(cvae, filled)


def test_bits_of_a_density_bound_those_of_the_model_that_rounds():
    """-E log2 of the mass that a linear model gives to its levels, one entry at a time known."""
    model = known.Linear()
    decoder = model.cvae.get_layer("decoder")
    kernel, bias = decoder.get_weights()
    decoder.set_weights([0 * kernel, 0 * bias + 0.5])  # x is of N(0.5, v), whatever z is
    x = np.random.default_rng(0).integers(0, 256, (4000, 5)).astype("uint8")
    filled, levels = evaluation.as_levels(model.cvae, x)
    nats = evaluation.log_likelihood(model.cvae, filled, samples=1, verbose=0)
    kl = model.kl(filled).sum(1)
    bits = evaluation.bits_per_dimension(nats + kl, (5,), levels=levels).mean()
    edges = scipy.stats.norm(0.5, np.sqrt(known.NOISE)).cdf(np.arange(257) / 256)
    exact = -np.log2(np.diff(edges))[x].mean()
    assert exact - 0.02 < bits < exact + 0.05
