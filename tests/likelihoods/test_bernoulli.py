import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_cvae import likelihoods


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@given(st.lists(st.tuples(st.booleans(), st.floats(-15, 15, width=32)), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None)
def test_bernoulli_equals_scipy(pixels):
    x, logits = np.float32(pixels).T[:, None]
    ours = numpy(likelihoods.Bernoulli().log_prob(x, logits))
    expected = stats.bernoulli.logpmf(x, special.expit(np.float64(logits))).sum(-1)
    np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-5)


def test_bernoulli_sums_over_pixels_and_takes_grey_ones():
    rng = np.random.default_rng(0)
    x = rng.random((5, 4, 3, 2), dtype="float32")
    logits = rng.normal(size=x.shape).astype("float32")
    p = special.expit(np.float64(logits))
    expected = (x * np.log(p) + (1 - x) * np.log1p(-p)).sum((1, 2, 3))
    ours = numpy(likelihoods.Bernoulli().log_prob(x, logits))
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


@pytest.mark.parametrize("x", [0.0, 1.0])
@pytest.mark.parametrize("logit", [-1e4, 0.0, 1e4])
def test_bernoulli_is_finite_at_the_extremes(x, logit, gradient):
    bernoulli = likelihoods.Bernoulli()
    x, logit = np.float32([[x]]), np.float32([[logit]])
    expected = -np.logaddexp(0, np.float64(logit) * (1 - 2 * x))
    np.testing.assert_allclose(numpy(bernoulli.log_prob(x, logit)), expected[0], rtol=1e-6)
    (slope,) = gradient(lambda lg: bernoulli.log_prob(x, lg)[0], logit)
    np.testing.assert_allclose(slope, x - special.expit(logit), atol=1e-6)


@pytest.mark.parametrize(("pixels", "images"), [(7, 3), (96, 3), (784, 3), (96, 1)])
def test_bernoulli_gradients_in_logits_and_pixels(pixels, images, gradient):
    rng = np.random.default_rng(0)
    x = rng.random((images, pixels), "float32")  # one image may stand beside many logits
    logits = rng.normal(0, 9, (3, pixels)).astype("float32")
    weights = np.float32([0.5, -2.0, 3.0])

    def weighted(x, logits):
        log_prob = likelihoods.Bernoulli().log_prob(x, logits)
        return keras.ops.sum(keras.ops.multiply(log_prob, weights))

    in_x, in_logits = gradient(weighted, x, logits)
    expected = (weights[:, None] * logits).reshape(-1, images, pixels).sum(0)
    np.testing.assert_allclose(in_x, expected, rtol=1e-5, atol=1e-5)
    expected = weights[:, None] * (x - special.expit(np.float64(logits)))
    np.testing.assert_allclose(in_logits, expected, rtol=1e-5, atol=1e-6)


def test_bernoulli_mean_and_samples():
    logits = np.full((20_000, 1), 0.7, "float32")
    bernoulli = likelihoods.Bernoulli()
    p = special.expit(0.7)
    np.testing.assert_allclose(numpy(bernoulli.mean(logits)), p, rtol=1e-6)
    samples = numpy(bernoulli.sample(logits, seed=0))
    assert set(np.unique(samples)) == {0.0, 1.0}
    assert abs(samples.mean() - p) < 4 * np.sqrt(p * (1 - p) / len(samples))
