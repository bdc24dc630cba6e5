import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from keras_cvae import divergences

NUMBERS = st.floats(-3, 3, width=32)
NORMALS = st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=5)


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def kl_by_quadrature(mean, log_var, prior_mean, prior_log_var):
    q = stats.norm(mean, np.exp(log_var / 2))
    p = stats.norm(prior_mean, np.exp(prior_log_var / 2))
    low, high = q.ppf(1e-16), q.isf(1e-16)
    points = np.linspace(low, high, 9)[1:-1]
    f = lambda z: q.pdf(z) * (q.logpdf(z) - p.logpdf(z))  # noqa: E731
    return integrate.quad(f, low, high, points=points, epsabs=1e-12, limit=400)[0]


@pytest.mark.parametrize("mean", [-2.0, 0.0, 0.3])
@pytest.mark.parametrize("log_var", [-3.0, 0.0, 1.5])
@pytest.mark.parametrize("prior", [(0.0, 0.0), (1.0, -0.7)])
def test_kl_equals_numerical_integration(mean, log_var, prior):
    ours = numpy(divergences.normal_kl(np.float32([mean]), np.float32([log_var]), *prior))
    expected = kl_by_quadrature(mean, log_var, *prior)
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


@given(NORMALS)
@settings(max_examples=50, deadline=None)
def test_kl_is_the_closed_form_in_double_precision_and_never_negative(parameters):
    m, lv, pm, plv = np.float32(parameters).T
    ours = float(numpy(divergences.normal_kl(m, lv, pm, plv)))
    m, lv, pm, plv = (np.float64(a) for a in (m, lv, pm, plv))
    terms = np.exp(lv - plv) + (m - pm) ** 2 / np.exp(plv) - 1 + plv - lv
    assert ours >= 0
    np.testing.assert_allclose(ours, 0.5 * terms.sum(), rtol=1e-5, atol=1e-6)


def test_each_dimension_has_its_share_of_the_divergence():
    m, lv, pm, plv = np.random.default_rng(0).normal(size=(4, 3))
    ours = numpy(divergences.normal_kl_by_dimension(*map(np.float32, (m, lv, pm, plv))))
    expected = [kl_by_quadrature(*each) for each in zip(m, lv, pm, plv, strict=True)]
    np.testing.assert_allclose(ours, expected, rtol=1e-5)


def test_kl_of_a_normal_with_itself_is_zero():
    m, lv = np.float32([[0.3, -2.0]]), np.float32([[1.0, -4.0]])
    assert numpy(divergences.normal_kl(m, lv, m, lv)) == 0


def test_log_prob_equals_scipy():
    rng = np.random.default_rng(0)
    z, mean, log_var = rng.normal(size=(3, 4, 5)).astype("float32")
    expected = stats.norm(mean, np.exp(log_var / 2)).logpdf(z).sum(-1)
    ours = numpy(divergences.normal_log_prob(z, mean, log_var))
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6)


def test_monte_carlo_is_unbiased():
    rng = np.random.default_rng(0)
    mean, log_var = np.float32([0.8, -0.4]), np.float32([-1.0, 0.5])
    z = (mean + np.exp(log_var / 2) * rng.standard_normal((200_000, 2))).astype("float32")
    estimates = numpy(divergences.monte_carlo_kl(z, mean, log_var))
    standard_error = estimates.std() / np.sqrt(len(estimates))
    exact = numpy(divergences.normal_kl(mean, log_var))
    assert abs(estimates.mean() - exact) < 4 * standard_error
    assert standard_error < 0.01 * exact


def test_gradient_of_kl(gradient):
    mean, log_var = np.float32([[0.5, -1.2]]), np.float32([[0.4, -2.0]])
    by_mean, by_log_var = gradient(
        lambda m, lv: keras.ops.sum(divergences.normal_kl(m, lv)), mean, log_var
    )
    np.testing.assert_allclose(by_mean, mean, rtol=1e-6)
    np.testing.assert_allclose(by_log_var, 0.5 * (np.exp(log_var) - 1), rtol=1e-6)


@pytest.mark.parametrize("log_var", [-1e4, -100.0, 0.0, 100.0, 1e4])
def test_extreme_log_variances_stay_finite(log_var, gradient):
    z, mean, lv = (np.full((4096, 64), v, "float32") for v in (1.0, 2.0, log_var))
    for f in (divergences.normal_kl, lambda m, v: divergences.monte_carlo_kl(z, m, v)):
        loss = lambda *a, f=f: keras.ops.mean(f(*a))  # noqa: E731
        assert np.isfinite(numpy(loss(mean, lv)))
        assert all(np.isfinite(g).all() for g in gradient(loss, mean, lv))
