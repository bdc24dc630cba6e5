import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from keras_cvae import layers, priors, terms


def numpy(x):
    return keras.ops.convert_to_numpy(x)


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


def test_the_kl_of_a_prior_without_a_closed_form_uses_the_sample():
    mean, log_var, z = (np.float32([[v]]) for v in (0.5, -1.0, 1.2))
    layer = layers.KLDivergence(prior=Laplace())
    layer([mean, log_var, z])
    expected = stats.norm(0.5, np.exp(-0.5)).logpdf(1.2) - stats.laplace().logpdf(1.2)
    np.testing.assert_allclose(numpy(layer.losses[0]), expected, rtol=1e-5)
    with pytest.raises(ValueError, match=r"must be \[z_mean, z_log_var, z\]"):
        layers.KLDivergence(prior=Laplace())([mean, log_var])


@pytest.mark.parametrize("beta", [-1, float("nan"), float("inf"), "warm"])
def test_the_kl_layer_raises_an_error_for_an_invalid_beta(beta):
    with pytest.raises(ValueError, match="`beta` must be a finite number"):
        layers.KLDivergence(beta=beta)
