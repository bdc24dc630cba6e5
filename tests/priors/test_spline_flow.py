"""Splines, compared with numerical slopes and integrals; the flow and its inverse."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from keras_cvae import priors
from keras_cvae.priors import spline_flow
from keras_cvae.priors.fitting import Encodings
from keras_cvae.priors.splines import BOUND, bend, unbend

BINS = 5


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def spline(rng):
    """Widths, heights and slopes of one spline, without bins too narrow for differences."""
    shares = 0.8 * rng.dirichlet(np.full(BINS, 3.0), size=2) + 0.2 / BINS
    widths, heights = shares * 2 * BOUND
    return widths, heights, np.exp(0.7 * rng.standard_normal(BINS - 1))


def rows(parameters, count):
    return [tensor(np.broadcast_to(part, (count, len(part)))) for part in parameters]


def build_flow(size, **options):
    """A flow far from N(0, I)."""
    prior = priors.SplineFlow(3, (8,), bins=4, activation="tanh", **options)
    prior.build((None, size), (None, 2) if prior.conditional else None)
    rng = np.random.default_rng(size)
    for weight in prior.trainable_weights:
        weight.assign(numpy(weight) + 0.2 * rng.standard_normal(weight.shape))
    return prior


@given(st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_a_spline_interpolates_its_knots_and_is_invertible(seed):
    rng = np.random.default_rng(seed)
    parameters = widths, heights, slopes = spline(rng)
    knots = np.cumsum([-BOUND, *widths]), np.cumsum([-BOUND, *heights])
    inside = rows(parameters, BINS - 1)
    value, log_slope = bend(tensor(knots[0][1:-1] + 1e-5), *inside)
    np.testing.assert_allclose(numpy(value), knots[1][1:-1], atol=2e-3)
    np.testing.assert_allclose(numpy(log_slope), np.log(slopes), atol=2e-2)
    x = np.sort(rng.uniform(-1.2 * BOUND, 1.2 * BOUND, 200))
    value = numpy(bend(tensor(x), *rows(parameters, 200))[0])
    assert np.diff(value).min() > -1e-5  # increasing, up to rounding
    outside = np.abs(x) > BOUND
    np.testing.assert_allclose(value[outside], x[outside], rtol=1e-6)
    np.testing.assert_allclose(numpy(unbend(tensor(value), *rows(parameters, 200))), x, atol=2e-3)


def test_the_slope_is_that_of_the_curve():
    parameters = spline(np.random.default_rng(0))
    x = np.linspace(-BOUND, BOUND, 4001)
    value, log_slope = map(numpy, bend(tensor(x), *rows(parameters, len(x))))
    rise = np.concatenate([[0], np.cumsum(np.exp(log_slope[:-1]) * np.diff(x))])
    np.testing.assert_allclose(rise, value + BOUND, atol=0.02)


@pytest.mark.parametrize("conditional", [False, True])
def test_the_density_integrates_to_one(conditional):
    prior = build_flow(2, conditional=conditional)
    axis = np.linspace(-9, 9, 601)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    y = tensor(np.broadcast_to([0.5, -1.0], (len(z), 2))) if conditional else None
    density = np.exp(np.float64(numpy(prior.log_prob(tensor(z), y))))
    assert abs(density.sum() * (axis[1] - axis[0]) ** 2 - 1) < 5e-3
    standard = np.exp(-0.5 * (z**2).sum(1)) / (2 * np.pi)
    assert np.abs(density - standard).sum() * (axis[1] - axis[0]) ** 2 > 0.2  # it is another


@pytest.mark.slow
@pytest.mark.once
def test_it_starts_from_a_normal_of_each_class():
    """With an epoch of fitting: whitening is that of each class, of few examples that of all."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 2], [2000, 2000, 3])
    roots = np.array([[[1, 0.5], [0, 0.4]], [[0.3, 0], [0.2, 1]], [[1, 0], [0, 1]]])
    means = np.array([[2, 0], [-1, 1], [0, 5]])
    samples = rng.standard_normal((len(labels), 2))
    z = means[labels] + np.einsum("nij,nj->ni", roots[labels], samples)
    log_var = np.full(z.shape, np.log(0.01), "float32")
    y = np.eye(4, dtype="float32")[labels]  # one class has no examples
    prior = priors.SplineFlow(2, (8,), conditional=True)
    prior.build((None, 2), (None, 4))
    prior.fit(Encodings(z.astype("float32"), log_var, y))
    for network in prior.networks:  # the couplings bend nothing any more
        for weight in network[-1].weights:
            weight.assign(0 * weight)
    for label in (0, 1):
        covariance = roots[label] @ roots[label].T + 0.01 * np.eye(2)
        expected = stats.multivariate_normal(means[label], covariance).logpdf(z)
        log_p = numpy(prior.log_prob(tensor(z), tensor(np.eye(4)[[label] * len(z)])))
        assert np.abs(log_p - expected)[labels == label].mean() < 0.1
    several = prior.transport(tensor(rng.normal(size=(4, 2))), tensor(np.eye(4)))
    assert np.isfinite(numpy(several)).all()
    unknown = numpy(
        prior.transport(tensor(rng.normal(size=(4000, 2))), tensor(np.zeros((4000, 4))))
    )
    np.testing.assert_allclose(unknown.mean(0), z.mean(0), atol=0.1)
    np.testing.assert_allclose(np.cov(unknown.T), np.cov(z.T), atol=0.3)


@pytest.mark.once
def test_shared_couplings_change_z_least_for_another_label():
    """Between two normals optimal transport is linear, by a symmetric matrix that has no turn."""
    covariances = np.array([[[2, 1.2], [1.2, 1]], [[0.5, -0.3], [-0.3, 3]]])
    ends = np.tile(np.sqrt(2) * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]]), (500, 1))
    encodings = np.concatenate([ends @ np.linalg.cholesky(each).T for each in covariances])
    prior = priors.SplineFlow(2, (8,), conditional=True)
    prior.build((None, 2), (None, 2))
    y = np.repeat(np.eye(2, dtype="float32"), len(ends), axis=0)
    log_var = np.full(encodings.shape, -30.0, "float32")
    for weight, values in zip(
        (prior.means, prior.whitening, prior.colouring),
        spline_flow._whitening(Encodings(encodings, log_var, y), True),
        strict=False,
    ):
        weight.assign(values)
    of_first, of_second = (tensor(np.eye(2)[[label] * 3]) for label in (0, 1))
    corners = prior.noise(tensor([[0, 0], [1, 0], [0, 1]]), of_first)
    moved = numpy(prior.transport(corners, of_second))
    matrix = (moved[1:] - moved[0]).T
    np.testing.assert_allclose(matrix, matrix.T, atol=0.02)
    expected = matrix @ covariances[0] @ matrix.T
    np.testing.assert_allclose(expected, covariances[1], rtol=0.05, atol=0.02)


def test_every_latent_is_transformed_for_even_and_odd_sizes():
    prior = build_flow(5)
    noise = np.random.default_rng(0).normal(size=(50, 5))
    z = prior.transport(tensor(noise))
    assert np.abs(numpy(z) - noise).max(0).min() > 0.05
    np.testing.assert_allclose(numpy(prior.noise(z)), noise, atol=2e-3)


def test_gradients_are_those_of_the_density(gradient):
    prior, rng = build_flow(3), np.random.default_rng(0)
    z, direction, step = *rng.normal(size=(2, 4, 3)), 1e-2
    (slope,) = gradient(lambda z: keras.ops.sum(prior.log_prob(z)), z)
    ends = [numpy(prior.log_prob(tensor(z + s * step * direction))).sum() for s in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    assert abs((slope * direction).sum() - expected) < 0.03 * abs(expected) + 0.03


def test_a_change_of_y_does_not_use_shared_couplings():
    rng = np.random.default_rng(0)
    noise, one, other = (tensor(rng.normal(size=(20, size))) for size in (4, 2, 2))
    flow, shared = (build_flow(4, conditional=True, shared=count) for count in (0, 3))
    moved = [numpy(prior.transport(noise, y)) for prior in (flow, shared) for y in (one, other)]
    shift = (numpy(other) - numpy(one)) @ numpy(shared.means)[1:]
    np.testing.assert_allclose(moved[3], moved[2] + shift, atol=1e-4)  # of the means alone
    assert np.abs(moved[1] - moved[0] - (moved[3] - moved[2])).max() > 0.01
    config = priors.SplineFlow(5).get_config()
    assert config.pop("shared") == 2 and priors.SplineFlow.from_config(config).shared == 0


@pytest.mark.once
def test_a_spline_needs_at_least_two_bins():
    with pytest.raises(ValueError, match="`bins` must be an integer of at least 2"):
        priors.SplineFlow(bins=1)
    with pytest.raises(ValueError, match="`shared` must be an integer from 0 to 2. Received: 3"):
        priors.SplineFlow(2, shared=3)
