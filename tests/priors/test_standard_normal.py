import keras
import numpy as np
from scipy import stats

from keras_cvae import priors


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_against_scipy():
    rng = np.random.default_rng(0)
    z, mean, log_var = rng.normal(size=(3, 5, 2)).astype("float32")
    prior = priors.StandardNormal()
    expected = stats.norm.logpdf(np.float64(z)).sum(-1)
    np.testing.assert_allclose(numpy(prior.log_prob(z)), expected, rtol=1e-5)
    m, v = np.float64(mean), np.exp(np.float64(log_var))
    expected = 0.5 * (v + m**2 - 1 - np.log(v)).sum(-1)
    np.testing.assert_allclose(numpy(prior.kl(mean, log_var)), expected, rtol=1e-5)


def test_noise_is_z_itself():
    noise = np.random.default_rng(0).standard_normal((4, 3), "float32")
    np.testing.assert_array_equal(numpy(priors.StandardNormal().transport(noise)), noise)
