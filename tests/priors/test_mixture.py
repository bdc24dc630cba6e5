import keras
import numpy as np
import pytest
from scipy import linalg, stats
from scipy.special import logsumexp

from keras_cvae import priors
from keras_cvae.priors import mixture

SIZE, WIDTH, K = 3, 2, 4


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def build_prior(**options):
    prior = priors.Mixture(K, **options)
    prior.build((None, SIZE), (None, WIDTH) if prior.conditional else None)
    rng = np.random.default_rng(0)
    for weight in prior.weights:
        weight.assign(rng.normal(size=weight.shape))
    return prior


def components(prior, y):
    """Weight, mean and covariance of each component, by their definition."""
    known = np.concatenate([[1.0], y]) if prior.conditional else np.ones(1)
    logits, means, whitening = (np.tensordot(known, numpy(w), 1) for w in prior.weights)
    weights = np.exp(logits - logsumexp(logits))
    for weight, mean, matrix in zip(weights, means, whitening, strict=True):
        if prior.covariance == "diag":
            factor = np.diag(np.exp(matrix))
        else:
            factor = np.tril(matrix, -1) + np.diag(np.exp(np.diag(matrix)))
        yield weight, mean, np.linalg.inv(factor.T @ factor)


@pytest.mark.parametrize("covariance", ["diag", "full"])
@pytest.mark.parametrize("conditional", [False, True])
def test_log_prob_equals_scipy(covariance, conditional):
    prior = build_prior(covariance=covariance, conditional=conditional)
    z = np.random.default_rng(1).normal(size=(5, SIZE))
    y = np.array([[0, 0], [1, 0], [0, 1], [0.3, -2], [1, 1]])
    found = numpy(prior.log_prob(tensor(z), tensor(y) if conditional else None))
    expected = [
        logsumexp(
            [
                np.log(weight) + stats.multivariate_normal(mean, spread).logpdf(row)
                for weight, mean, spread in components(prior, of)
            ]
        )
        for row, of in zip(z, y, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_samples_have_the_moments_of_the_mixture(covariance):
    prior = build_prior(covariance=covariance)
    count = 100_000
    z = numpy(prior.transport(tensor(np.random.default_rng(0).normal(size=(count, SIZE)))))
    parts = [*components(prior, None)]
    mean = sum(w * m for w, m, _ in parts)
    covariance = sum(w * (c + np.outer(m - mean, m - mean)) for w, m, c in parts)
    scale = np.sqrt(np.diag(covariance))
    np.testing.assert_allclose((z.mean(0) - mean) / scale, 0, atol=0.02)
    np.testing.assert_allclose(
        np.cov(z.T) / np.outer(scale, scale), covariance / np.outer(scale, scale), atol=0.05
    )


def test_temperature_keeps_the_components_and_scales_their_spread():
    prior = build_prior(covariance="full")
    noise = tensor(np.random.default_rng(0).normal(size=(2000, SIZE)))
    cold, half, warm = (numpy(prior.tempered(noise, t)) for t in (0.0, 0.5, 1.0))
    np.testing.assert_allclose(half - cold, (warm - cold) / 2, rtol=1e-3, atol=1e-4)
    means, counts = np.unique(cold.round(4), axis=0, return_counts=True)
    parts = sorted((tuple(m.round(4)), w) for w, m, _ in components(prior, None))
    np.testing.assert_allclose(means, [m for m, _ in parts], atol=2e-4)
    np.testing.assert_allclose(counts / 2000, [w for _, w in parts], atol=0.05)


def test_invalid_settings_raise_an_error():
    for options, message in (
        ({"components": 0}, "`components`"),
        ({"covariance": "ful"}, "Did you mean 'full'"),
    ):
        with pytest.raises(ValueError, match=message):
            priors.Mixture(**options)
    with pytest.raises(ValueError, match="must be used with a condition"):
        priors.Mixture(conditional=True).build((None, 2))


def test_solutions_are_those_of_scipy():
    rng = np.random.default_rng(0)
    for size in (1, 2, 7):
        factor = np.tril(rng.normal(size=(5, size, size)), -1) + np.eye(size)
        vector = rng.normal(size=(5, size))
        tensors = (keras.ops.convert_to_tensor(a, "float32") for a in (factor, vector))
        solved = keras.ops.convert_to_numpy(mixture._solve_lower(*tensors))
        for row, matrix, right in zip(solved, factor, vector, strict=True):
            expected = linalg.solve_triangular(matrix, right, lower=True)
            np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)
