"""A flow's density against brute force: integrals, Jacobians, there and back."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

import keras_cvae
from keras_cvae import layers, networks, priors

WIDTH = 3


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def build_flow(size, scale=0.3, **options):
    """A flow far from N(0, I)."""
    prior = priors.Flow(**{"couplings": 3, "hidden_units": (8,), "activation": "tanh", **options})
    prior.build((None, size), (None, WIDTH) if prior.conditional else None)
    rng = np.random.default_rng(size)
    for weight in prior.weights:
        weight.assign(numpy(weight) + scale * rng.normal(size=weight.shape))
    return prior


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "conditional"])
def plane(request):
    """A flow in the plane, and a function of rows to a y for it."""
    prior = build_flow(2, conditional=request.param)
    y = np.float32([[0.2, -1.0, 0.5]])
    return prior, lambda rows: tensor(y.repeat(rows, axis=0)) if prior.conditional else None


def test_the_density_integrates_to_one(plane):
    prior, y = plane
    axis = np.linspace(-12, 12, 481)
    z = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    density = np.exp(np.float64(numpy(prior.log_prob(tensor(z), y(len(z))))))
    assert abs(density.sum() * (axis[1] - axis[0]) ** 2 - 1) < 1e-3
    standard = np.exp(-0.5 * (z**2).sum(1)) / (2 * np.pi)
    assert np.abs(density - standard).sum() * (axis[1] - axis[0]) ** 2 > 0.3  # it is another


def test_the_determinant_is_that_of_the_jacobian(plane):
    """By central differences of `transport`, whose Jacobian is the inverse's."""
    prior, y = plane
    noise, step = np.random.default_rng(0).normal(size=(6, 2)), 1e-2
    columns = [
        (
            numpy(prior.transport(tensor(noise + step * axis), y(6)))
            - numpy(prior.transport(tensor(noise - step * axis), y(6)))
        )
        / (2 * step)
        for axis in np.eye(2)
    ]
    expected = np.log(np.abs(np.linalg.det(np.stack(columns, -1))))
    z = prior.transport(tensor(noise), y(6))
    back, log_det = map(numpy, prior.inverse(z, y(6)))
    np.testing.assert_allclose(back, noise, atol=1e-4)
    np.testing.assert_allclose(log_det, -expected, atol=5e-3)
    density = stats.norm.logpdf(noise).sum(1) - expected
    np.testing.assert_allclose(numpy(prior.log_prob(z, y(6))), density, atol=5e-3)


FLOWS = {(size, c): build_flow(size, couplings=c) for size in (2, 3, 5) for c in (1, 2, 4)}


@given(st.sampled_from(sorted(FLOWS)), st.integers(0, 2**31), st.floats(0, 3))
@settings(max_examples=40, deadline=None)
def test_the_flow_is_invertible(case, seed, scale):
    prior = FLOWS[case]
    z = tensor(scale * np.random.default_rng(seed).normal(size=(7, case[0])))
    noise, _ = prior.inverse(z)
    assert np.abs(numpy(prior.transport(noise)) - numpy(z)).max() < 1e-3
    forth, _ = prior.inverse(prior.transport(z))
    assert np.abs(numpy(forth) - numpy(z)).max() < 1e-3


def test_one_coupling_is_a_conditional_normal():
    """Given the half that is kept, the other is N(t, exp(2 s)) by definition."""
    prior = build_flow(2, couplings=1)
    z = np.random.default_rng(0).normal(size=(5, 2))
    (first, last), h = prior.networks[0], z[:, :1]
    h = np.tanh(h @ numpy(first.kernel) + numpy(first.bias))
    s, t = (h @ numpy(last.kernel) + numpy(last.bias)).T
    s = 3 * np.tanh(s / 3)
    expected = stats.norm.logpdf(z[:, 0]) + stats.norm.logpdf(z[:, 1], t, np.exp(s))
    np.testing.assert_allclose(numpy(prior.log_prob(tensor(z))), expected, rtol=1e-4)


def test_two_couplings_change_all_dimensions_of_even_and_odd_sizes():
    prior = build_flow(5, couplings=2)
    assert prior.sizes == (2, 3)
    noise = np.random.default_rng(0).normal(size=(4, 5))
    assert np.abs(numpy(prior.transport(tensor(noise))) - noise).min() > 1e-5
    one = numpy(build_flow(5, couplings=1).transport(tensor(noise)))
    np.testing.assert_array_equal(one[:, :2], noise[:, :2].astype("float32"))


def test_it_starts_as_the_standard_normal():
    prior = priors.Flow()
    prior.build((None, 3))
    z = tensor(np.random.default_rng(0).normal(size=(4, 3)))
    np.testing.assert_array_equal(numpy(prior.transport(z)), numpy(z))
    expected = priors.StandardNormal().log_prob(z)
    np.testing.assert_allclose(numpy(prior.log_prob(z)), numpy(expected), rtol=1e-6)


def test_gradients_are_those_of_the_density(gradient):
    prior, rng = build_flow(3), np.random.default_rng(0)
    z, direction, step = *rng.normal(size=(2, 4, 3)), 1e-2
    (slope,) = gradient(lambda z: keras.ops.sum(prior.log_prob(z)), z)
    ends = [numpy(prior.log_prob(tensor(z + s * step * direction))).sum() for s in (1, -1)]
    expected = (ends[0] - ends[1]) / (2 * step)
    assert abs((slope * direction).sum() - expected) < 0.01 * abs(expected) + 0.01


@pytest.mark.once
def test_a_flow_learns_a_density_that_is_not_normal():
    """Latents that are given, on a parabola: log-density from -4.4 to near its own, -1.6."""
    rng = np.random.default_rng(0)
    first = rng.standard_normal((512, 1))
    z = np.concatenate([first, first**2 - 1 + 0.3 * rng.standard_normal((512, 1))], axis=1)
    z = z.astype("float32")
    inputs = [keras.Input((2,)) for _ in range(3)]
    prior = priors.Flow(couplings=2, hidden_units=(32,))
    model = keras.Model(inputs, layers.KLDivergence(prior=prior)(inputs))
    model.compile(keras.optimizers.Adam(0.01))
    model.fit([np.zeros_like(z), np.zeros_like(z), z], epochs=30, batch_size=64, verbose=0)
    entropy = 2 * 0.5 * (1 + np.log(2 * np.pi)) + np.log(0.3)
    found = numpy(prior.log_prob(tensor(z))).mean()
    assert -entropy - 0.3 < found < -entropy + 0.1


def test_each_class_has_its_prior_in_a_model(tmp_path):
    prior = priors.Flow(couplings=2, hidden_units=(8,), conditional=True)
    cvae = keras_cvae.build_cvae((6,), 3, 3, network=networks.Dense((8,)), prior=prior)
    prior = cvae.prior  # a copy
    for weight in prior.trainable_weights:
        weight.assign_add(0.5 * np.random.default_rng(0).standard_normal(weight.shape))
    labels, noise = np.arange(3), np.ones((3, 3), "float32")
    images = cvae.generator.predict([noise, labels], verbose=0)
    z = numpy(prior.transport(tensor(noise), tensor(np.eye(3))))
    assert np.abs(z[0] - z[1]).max() > 0.01
    np.testing.assert_allclose(images, cvae.decode(z, labels), atol=1e-5)
    cvae.generator.save(tmp_path / "generator.keras")
    loaded = keras.saving.load_model(tmp_path / "generator.keras")
    np.testing.assert_allclose(loaded.predict([noise, labels], verbose=0), images, atol=1e-6)


@pytest.mark.once
def test_an_unsupported_graph_raises_an_error():
    with pytest.raises(ValueError, match="`latent_dim` of a flow must be an integer of at least 2"):
        keras_cvae.build_cvae((6,), latent_dim=1, prior="flow")
    with pytest.raises(ValueError, match="`prior` must not depend on y where there is no `cond"):
        keras_cvae.build_cvae((6,), prior=priors.Flow(conditional=True))
