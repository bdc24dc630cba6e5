import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_cvae import layers


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_samples_have_the_posterior_distribution():
    mean = np.full((20_000, 2), [0.5, -1.0], "float32")
    log_var = np.full((20_000, 2), [-1.0, 1.0], "float32")
    z = numpy(layers.Sampling(seed=0)([mean, log_var]))
    for i in range(2):
        normal = stats.norm(mean[0, i], np.exp(log_var[0, i] / 2))
        assert stats.kstest(z[:, i], normal.cdf).pvalue > 1e-3


def test_sampling_differs_for_every_call_and_repeats_with_the_seed():
    inputs = [np.zeros((4, 2), "float32")] * 2
    one, other = layers.Sampling(seed=3), layers.Sampling(seed=3)
    first, second = numpy(one(inputs)), numpy(one(inputs))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(first, numpy(other(inputs)))


def test_sampling_is_a_lambda_of_a_named_function():
    assert isinstance(layers.Sampling(), keras.layers.Lambda)
    assert layers.Sampling().function is layers.reparameterize


@pytest.mark.parametrize("log_var", [-1e4, 1e4])
def test_sampling_is_finite_at_extreme_log_variances(log_var):
    z = layers.Sampling()([np.ones((3, 2), "float32"), np.full((3, 2), log_var, "float32")])
    assert np.isfinite(numpy(z)).all()


def test_gradient_of_the_negative_elbo_through_sampling_equals_finite_differences(gradient):
    rng = np.random.default_rng(0)
    mean, log_var = (rng.normal(size=(3, 2)).astype("float32") for _ in range(2))
    x = (rng.random((3, 5)) > 0.5).astype("float32")
    weights = rng.normal(size=(2, 5)).astype("float32")
    kl, reconstruction = layers.KLDivergence(beta=0.7), layers.ReconstructionLoss()

    def loss(mean, log_var):
        z = layers.reparameterize([mean, log_var], seed=11)  # an integer seed: the same noise
        kl([mean, log_var])
        reconstruction([ops.convert_to_tensor(x), ops.matmul(z, weights)])
        return sum(kl.losses) + sum(reconstruction.losses)

    def value(mean, log_var):
        """The same in double precision, from the noise that the seed stands for."""
        z = mean + np.exp(log_var / 2) * eps
        logits = z @ np.float64(weights)
        nll = np.logaddexp(0, logits) - x * logits
        divergence = 0.5 * (np.exp(log_var) + mean**2 - 1 - log_var)
        return nll.sum(-1).mean() + 0.7 * divergence.sum(-1).mean()

    zeros = ops.zeros((3, 2))
    eps = np.float64(numpy(layers.reparameterize([zeros, zeros], seed=11)))
    arguments = [np.float64(mean), np.float64(log_var)]
    np.testing.assert_allclose(numpy(loss(mean, log_var)), value(*arguments), rtol=1e-5)
    for i, ours in enumerate(gradient(loss, mean, log_var)):
        for index in np.ndindex(*ours.shape):
            shifted = [[a.copy() for a in arguments] for _ in range(2)]
            shifted[0][i][index] += 1e-5
            shifted[1][i][index] -= 1e-5
            difference = (value(*shifted[0]) - value(*shifted[1])) / 2e-5
            np.testing.assert_allclose(ours[index], difference, rtol=1e-4, atol=1e-6)


def test_repeat_puts_the_samples_of_an_example_next_to_each_other():
    x = np.float32([[1, 2], [3, 4]])
    one, two = layers.Repeat(3)([x, x[:, 0]])
    np.testing.assert_array_equal(numpy(one), x[[0, 0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(numpy(two), [1, 1, 1, 3, 3, 3])
