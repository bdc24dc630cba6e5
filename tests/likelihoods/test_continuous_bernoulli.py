import keras
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from keras_cvae.likelihoods import Bernoulli, ContinuousBernoulli

LIKELIHOOD = ContinuousBernoulli()


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def integral(logit, f):
    """The integral of f(x) exp(x l) over [0, 1], scaled by exp(-max(l, 0))."""
    shift = max(logit, 0.0)
    peak = 1.0 if logit > 0 else 0.0
    points = sorted({abs(peak - min(0.5, width / max(abs(logit), 1))) for width in (1, 10, 40)})
    return integrate.quad(
        lambda x: f(x) * np.exp(x * logit - shift), 0, 1, points=points, epsabs=0, epsrel=1e-10
    )[0]


LOGITS = st.one_of(st.floats(-80, 80, width=32), st.floats(-2, 2, width=32))


@given(LOGITS, st.floats(0, 1, width=32))
@example(0.0, 0.25)
@example(1.0, 0.5)
@example(-1.0, 0.5)
@settings(max_examples=60, deadline=None)
def test_normalizer_and_mean_equal_integrals_by_scipy(logit, x):
    logits = np.float32([[logit]])
    mass = integral(logit, lambda x: 1.0)
    expected = x * logit - max(logit, 0.0) - np.log(mass)
    found = numpy(LIKELIHOOD.log_prob(np.float32([[x]]), logits))
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=2e-6)
    mean = integral(logit, lambda x: x) / mass
    np.testing.assert_allclose(numpy(LIKELIHOOD.mean(logits)), [[mean]], rtol=1e-5, atol=1e-6)


def test_the_density_is_smooth_around_one_half():
    """Where series and formulas meet, and at 0, which is the uniform distribution."""
    for centre in (-1.0, 0.0, 1.0):
        logits = (centre + np.linspace(-1e-3, 1e-3, 41)).astype("float32")[:, None]
        for values in (LIKELIHOOD.mean(logits)[:, 0], LIKELIHOOD.log_prob(0 * logits, logits)):
            values = np.float64(numpy(values))
            slope, start = np.polyfit(logits[:, 0] - centre, values, 1)
            assert np.abs(values - start - slope * (logits[:, 0] - centre)).max() < 1e-6
    zero = np.zeros((1, 1), "float32")
    assert abs(numpy(LIKELIHOOD.log_prob(zero + 0.3, zero))[0]) < 1e-7
    assert numpy(LIKELIHOOD.mean(zero)) == 0.5


@pytest.mark.parametrize("logit", [-1e4, -20, -1, -0.5, -1e-3, 0, 1e-6, 0.99, 1, 1.01, 20, 1e4])
def test_the_gradient_is_x_minus_the_mean(logit, gradient):
    """As for every exponential family; and the mean's is the variance."""
    logits = np.float32([[logit]])
    (slope,) = gradient(lambda lg: LIKELIHOOD.log_prob(np.float32([[0.3]]), lg)[0], logits)
    np.testing.assert_allclose(slope, 0.3 - numpy(LIKELIHOOD.mean(logits)), atol=1e-6)
    (slope,) = gradient(lambda lg: LIKELIHOOD.mean(lg)[0, 0], logits)
    magnitude = max(abs(logit), 1e-2)
    variance = 1 / magnitude**2 - 0.25 / np.sinh(min(magnitude, 100) / 2) ** 2
    np.testing.assert_allclose(slope, [[variance]], atol=1e-5)


def test_log_prob_is_bernoulli_with_the_normalizer_of_the_paper():
    rng = np.random.default_rng(0)
    x, logits = rng.random((5, 4, 3, 1), dtype="float32"), rng.normal(size=(5, 4, 3, 1))
    logits = 3 * logits.astype("float32")
    p = 1 / (1 + np.exp(-np.float64(logits)))
    log_c = np.log(2 * np.arctanh(1 - 2 * p) / (1 - 2 * p)).sum((1, 2, 3))
    expected = numpy(Bernoulli().log_prob(x, logits)) + log_c
    np.testing.assert_allclose(numpy(LIKELIHOOD.log_prob(x, logits)), expected, rtol=1e-4)


@pytest.mark.parametrize("logit", [-30.0, -2.0, 0.0, 1e-3, 0.7, 5.0, 200.0])
def test_samples_have_the_distribution(logit):
    samples = numpy(LIKELIHOOD.sample(np.full((5000, 1), logit, "float32"), seed=2))[:, 0]

    def cdf(x):
        steep = np.expm1(-abs(logit) * x) / np.expm1(-abs(logit)) if logit else x
        return steep * np.exp(max(logit, 0.0) * (x - 1))

    assert stats.kstest(samples, cdf).pvalue > 1e-3
