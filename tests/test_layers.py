import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_cvae import layers, priors, terms


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_samples_have_the_posterior_distribution():
    mean = np.full((20_000, 2), [0.5, -1.0], "float32")
    log_var = np.full((20_000, 2), [-1.0, 1.0], "float32")
    z = numpy(layers.Sampling(seed=0)([mean, log_var]))
    for i in range(2):
        normal = stats.norm(mean[0, i], np.exp(log_var[0, i] / 2))
        assert stats.kstest(z[:, i], normal.cdf).pvalue > 1e-3


def test_sampling_draws_anew_at_every_call_and_repeats_from_its_seed():
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


def test_kl_layer_adds_beta_times_the_mean_and_returns_its_inputs():
    mean, log_var = np.float32([[1, 2], [0, 0]]), np.zeros((2, 2), "float32")
    layer = layers.KLDivergence(beta=0.5)
    z = np.ones((2, 2), "float32")
    outputs = layer([mean, log_var, z])
    np.testing.assert_array_equal(numpy(outputs[2]), z)
    (loss,) = map(numpy, layer.losses)
    assert loss.shape == ()
    np.testing.assert_allclose(loss, 0.5 * (2.5 + 0) / 2)
    layer.beta.assign(0.0)
    with terms.step() as step:
        layer([mean, log_var])
    assert float(numpy(step.reported[layer.name])) == (2.5 + 0) / 2
    assert float(numpy(step.losses[0])) == 0 and not layer.losses


def test_kl_layer_sums_over_all_axes_of_a_latent():
    mean, log_var = np.random.default_rng(0).normal(size=(2, 8, 4, 4, 2)).astype("float32")
    layer = layers.KLDivergence()
    layer([mean, log_var])
    m, lv = np.float64(mean), np.float64(log_var)
    expected = 0.5 * (np.exp(lv) + m**2 - 1 - lv).sum((1, 2, 3)).mean()
    assert float(layer.losses[0]) == pytest.approx(expected, rel=1e-5)


class Laplace(priors.Prior):
    """A prior without a closed form of the KL divergence."""

    def log_prob(self, z, y=None):
        return ops.sum(-ops.abs(z) - np.log(2.0), axis=-1)


def test_a_prior_without_a_closed_form_is_compared_at_the_sample():
    mean, log_var, z = (np.float32([[v]]) for v in (0.5, -1.0, 1.2))
    layer = layers.KLDivergence(prior=Laplace())
    layer([mean, log_var, z])
    expected = stats.norm(0.5, np.exp(-0.5)).logpdf(1.2) - stats.laplace().logpdf(1.2)
    np.testing.assert_allclose(numpy(layer.losses[0]), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"must be \[z_mean, z_log_var, z\]"):
        layers.KLDivergence(prior=Laplace())([mean, log_var])


def test_repeat_puts_the_samples_of_an_example_next_to_each_other():
    x = np.float32([[1, 2], [3, 4]])
    one, two = layers.Repeat(3)([x, x[:, 0]])
    np.testing.assert_array_equal(numpy(one), x[[0, 0, 0, 1, 1, 1]])
    np.testing.assert_array_equal(numpy(two), [1, 1, 1, 3, 3, 3])


def test_unit_interval_scales_the_examples_that_are_not_in_it():
    x = np.float32([[0, 51, 255], [0, 0.2, 1], [0, 0, 0]])
    expected = [[0, 0.2, 1], [0, 0.2, 1], [0, 0, 0]]
    np.testing.assert_allclose(numpy(layers.UnitInterval()(x)), expected, rtol=1e-6)


def test_reconstruction_layer_adds_the_mean_over_the_batch_of_sums_over_pixels():
    x, logits = np.ones((4, 3, 2), "float32"), np.zeros((4, 3, 2), "float32")
    layer = layers.ReconstructionLoss()
    np.testing.assert_allclose(numpy(layer([x, logits])), 0.5)
    (loss,) = layer.losses
    np.testing.assert_allclose(numpy(loss), 6 * np.log(2), rtol=1e-6)
    with pytest.raises(ValueError, match=r"must return parameters of shape \(3, 2\), as Ber"):
        layers.ReconstructionLoss()([x, np.zeros((4, 6), "float32")])


def test_loss_layers_train_any_keras_model():
    x = keras.Input((6,))
    z_mean, z_log_var = keras.layers.Dense(2)(x), keras.layers.Dense(2)(x)
    z = layers.Sampling()([z_mean, z_log_var])
    _, _, z = layers.KLDivergence()([z_mean, z_log_var, z])
    outputs = layers.ReconstructionLoss()([x, keras.layers.Dense(6)(z)])
    model = keras.Model(x, outputs)
    model.compile(keras.optimizers.Adam(0.02))
    data = (np.random.default_rng(0).random((512, 6)) < 0.1).astype("float32")
    history = model.fit(data, epochs=10, verbose=0).history["loss"]
    assert history[-1] < 0.8 * history[0]


def test_binarize():
    x = np.float32([[0, 0.4, 0.5, 0.6, 1]])
    np.testing.assert_array_equal(numpy(layers.Binarize("threshold")(x)), [[0, 0, 0, 1, 1]])
    grey = np.full((10_000, 2), [0.0, 0.3], "float32")
    layer = layers.Binarize("dynamic", seed=0)
    first, second = numpy(layer(grey)), numpy(layer(grey))
    assert first[:, 0].max() == 0
    assert abs(first[:, 1].mean() - 0.3) < 4 * np.sqrt(0.21 / len(grey))
    assert not np.array_equal(first, second)
    with pytest.raises(ValueError, match="Did you mean 'threshold'"):
        layers.Binarize("treshold")


@pytest.mark.parametrize("beta", [-1, float("nan"), float("inf"), "warm"])
def test_kl_layer_refuses_a_beta_that_is_none(beta):
    with pytest.raises(ValueError, match="`beta` must be a finite number"):
        layers.KLDivergence(beta=beta)
