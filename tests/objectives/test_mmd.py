"""The maximum mean discrepancy by brute force and by quadrature, and in a model."""

import itertools

import numpy as np
import pytest
from keras import ops
from scipy import integrate, stats

import keras_cvae
from keras_cvae import objectives, priors, terms
from keras_cvae.objectives.mmd import MMDLoss, kernel, squared_mmd

RNG = np.random.default_rng(0)
MEAN, LOG_VAR, Z, DRAWN = RNG.normal(size=(4, 5, 3)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def of_pair(a, b):
    """The kernel of two vectors, in double precision."""
    return 2 * len(a) / (2 * len(a) + ((a - b) ** 2).sum())


def by_hand(z, drawn):
    """What each example adds, pair by pair."""
    z, drawn = np.float64(z), np.float64(drawn)
    found = np.zeros(len(z))
    for i, j in itertools.permutations(range(len(z)), 2):
        same = of_pair(z[i], z[j]) + of_pair(drawn[i], drawn[j])
        found[i] += same - of_pair(z[i], drawn[j]) - of_pair(drawn[i], z[j])
    return found / (len(z) - 1)


def test_equals_a_computation_in_numpy():
    expected = [[of_pair(np.float64(a), np.float64(b)) for b in DRAWN] for a in Z]
    np.testing.assert_allclose(numpy(kernel(Z, DRAWN)), expected, rtol=1e-5)
    np.testing.assert_allclose(numpy(squared_mmd(Z, DRAWN)), by_hand(Z, DRAWN), rtol=1e-4)
    assert numpy(squared_mmd(Z[:1], DRAWN[:1])) == 0


@pytest.mark.parametrize("mean, deviation", [(0.0, 1.0), (1.5, 0.4)])
def test_the_expectation_equals_the_mmd_of_the_densities(mean, deviation):
    """Of normal z and N(0, 1): differences of samples are normal, and the kernel is of these."""

    def expected_kernel(shift, variance):
        density = stats.norm(shift, np.sqrt(variance)).pdf
        return integrate.quad(lambda u: 2 / (2 + u * u) * density(u), -30, 30, limit=200)[0]

    expected = expected_kernel(0, 2 * deviation**2) + expected_kernel(0, 2)
    expected -= 2 * expected_kernel(mean, 1 + deviation**2)
    z, drawn = RNG.normal(size=(2, 400, 10, 1)).astype("float32")
    z = np.float32(mean + deviation * z)
    found = [numpy(squared_mmd(*pair)).mean() for pair in zip(z, drawn, strict=True)]
    assert (expected > 0.1) == (mean > 0)
    assert np.mean(found) == pytest.approx(expected, abs=float(4 * np.std(found) / 20))


def test_gradients_are_those_of_finite_differences(gradient, finite_differences):
    ours = gradient(lambda *tensors: ops.mean(squared_mmd(*tensors)), Z, DRAWN)
    expected = finite_differences(lambda *arrays: by_hand(*arrays).mean(), Z, DRAWN)
    for found, wanted in zip(ours, expected, strict=True):
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("weights", [None, np.float32([0, 1, 2, 0.5, 3])])
@pytest.mark.parametrize("alpha, lambda_", [(0.0, 1.0), (0.25, 10.0), (1.0, 5.0)])
def test_alpha_and_lambda_are_weights_of_the_terms(alpha, lambda_, weights):
    layer = MMDLoss(alpha, lambda_)
    with terms.step(weights) as step:
        layer([MEAN, LOG_VAR, Z])
    m, lv, w = np.float64(MEAN), np.float64(LOG_VAR), 1.0 if weights is None else weights
    kl = (w * 0.5 * (np.exp(lv) + m**2 - 1 - lv).sum(1)).mean()
    reported = {name: float(numpy(value)) for name, value in step.reported.items()}
    assert reported[layer.name] == pytest.approx(kl, rel=1e-5)
    expected = (1 - alpha) * kl + (alpha + lambda_ - 1) * reported["mmd"]
    assert float(sum(map(numpy, step.losses))) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("where, is_prior", [(0.0, False), (3.0, True)])
def test_z_is_compared_with_the_prior_of_its_label(where, is_prior):
    """p(z | y) = N(3 y, 1)."""
    prior, y = priors.Conditional(()), np.float32(np.arange(500) % 2)[:, None]
    layer = MMDLoss(prior=prior, seed=1)
    z = RNG.normal(size=(500, 1)).astype("float32") + np.float32(where) * y
    layer([z, z, z], y=y)
    prior.mean.set_weights([np.float32([[3.0]]), np.zeros(1)])
    with terms.step() as step:
        layer([z, z, z], y=y)
    mmd = float(numpy(step.reported["mmd"]))
    assert abs(mmd) < 0.01 if is_prior else mmd > 0.1


@pytest.mark.once
def test_invalid_arguments_raise_an_error():
    for kind in (objectives.MMD, MMDLoss):
        with pytest.raises(ValueError, match="`alpha` must be a finite number of at most 1"):
            kind(1.5)
        with pytest.raises(ValueError, match="`lambda_` must be a finite number of at least 0.5"):
            kind(0.5, 0.4)
    with pytest.raises(ValueError, match=r"\[z_mean, z_log_var, z\]: MMDLoss compares samples"):
        MMDLoss()([MEAN, LOG_VAR])
    with pytest.raises(ValueError, match="`objective` MMD must be used with one group"):
        keras_cvae.build_cvae((6,), None, 4, network="hierarchical", objective="mmd")
