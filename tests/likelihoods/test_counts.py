"""Poisson and negative binomial counts, compared with SciPy and in models."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

import keras_cvae
from keras_cvae import networks
from keras_cvae.likelihoods import NegativeBinomial, Poisson
from keras_cvae.likelihoods.counts import log_factorial, log_rising


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def negative_binomial(log_mean, log_r):
    mean, r = np.exp(np.float64(log_mean)), np.exp(np.float64(log_r))
    return stats.nbinom(r, r / (r + mean))


COUNTS = st.one_of(st.integers(0, 30), st.integers(0, 20_000))


@given(COUNTS, st.floats(-12, 10, width=32))
@settings(max_examples=60, deadline=None)
def test_poisson_equals_scipy(count, log_mean):
    found = numpy(Poisson().log_prob(np.float32([[count]]), np.float32([[log_mean]])))
    expected = stats.poisson(np.exp(np.float64(log_mean))).logpmf(count)
    rounding = 1e-5 + 3e-7 * count * (1 + abs(log_mean))  # of count * log_mean in float32
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=rounding)


@given(COUNTS, st.floats(-8, 8, width=32), st.floats(-6, 10, width=32))
@settings(max_examples=60, deadline=None)
def test_negative_binomial_equals_scipy(count, log_mean, log_r):
    parameters = np.float32([[[log_mean, log_r]]])
    found = numpy(NegativeBinomial().log_prob(np.float32([[count]]), parameters))
    expected = negative_binomial(log_mean, log_r).logpmf(count)
    tolerance = 2e-5 + 2e-6 * (count + np.exp(log_mean))
    np.testing.assert_allclose(found, [expected], rtol=1e-5, atol=tolerance)
    mean = numpy(NegativeBinomial().mean(parameters))
    np.testing.assert_allclose(mean, [[np.exp(np.float64(log_mean))]], rtol=1e-5)


def test_log_factorials_equal_scipy():
    x = np.concatenate([np.arange(60), [100, 1e3, 1e5, 1e7]])
    np.testing.assert_allclose(
        numpy(log_factorial(tensor(x))), special.gammaln(x + 1), rtol=1e-6, atol=3e-6
    )
    for start in (1e-4, 0.3, 1.0, 7.5, 1e3, 1e6):
        steps = np.float64([0, 1, 2, 3, 10, 200])
        found = numpy(log_rising(tensor(np.full(6, start)), tensor(steps)))
        expected = [np.log(np.float32(start) + np.arange(n)).sum() for n in steps.astype(int)]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=5e-6)


def test_probabilities_of_all_counts_sum_to_one():
    counts = np.arange(2000, dtype="float32")[:, None]
    for log_mean, log_r in [(-3, 0), (0, -1), (2, 1), (3, 10)]:
        log_p = numpy(Poisson().log_prob(counts, np.full((2000, 1), log_mean, "float32")))
        assert abs(np.exp(np.float64(log_p)).sum() - 1) < 1e-4
        parameters = np.tile(np.float32([log_mean, log_r]), (2000, 1, 1))
        log_p = numpy(NegativeBinomial().log_prob(counts, parameters))
        assert abs(np.exp(np.float64(log_p)).sum() - 1) < 1e-4


@pytest.mark.parametrize("o", [-30.0, -2.0, 0.0, 3.0, 14.9, 15.0, 15.1, 30.0])
def test_gradients_are_those_of_the_distribution(o, gradient):
    """Of the mean: (x - m) / m dm/do; beyond 15 dm/do is that of the tangent."""
    mean = np.exp(min(o, 15.0)) * (1 + max(o - 15.0, 0.0))
    slope_of_mean = np.exp(min(o, 15.0))
    x = np.float32([[4.0]])
    np.testing.assert_allclose(numpy(Poisson().mean(np.float32([[o]]))), [[mean]], rtol=1e-5)
    (slope,) = gradient(lambda p: Poisson().log_prob(x, p)[0], [[o]])
    np.testing.assert_allclose(slope, [[(4 / mean - 1) * slope_of_mean]], rtol=1e-4)
    for log_r in (-3.0, 0.5, 9.0):
        r = np.exp(log_r)
        (slope,) = gradient(lambda p: NegativeBinomial().log_prob(x, p)[0], [[[o, log_r]]])
        of_mean = (4 - mean) / (1 + mean / r) / mean * slope_of_mean
        np.testing.assert_allclose(slope[0, 0, 0], of_mean, rtol=1e-4)
        of_r = special.psi(4 + r) - special.psi(r) - np.log1p(mean / r) + (mean - 4) / (r + mean)
        np.testing.assert_allclose(slope[0, 0, 1], r * of_r, rtol=1e-3, atol=5e-3)


@pytest.mark.parametrize("mean", [0.05, 0.7, 5.0, 60.0])
def test_samples_have_the_frequencies(mean):
    log_mean = np.log(np.float32(mean))
    for likelihood, parameters, reference in (
        (Poisson(), [log_mean], stats.poisson(mean)),
        (NegativeBinomial(), [[log_mean, 0.5]], negative_binomial(log_mean, 0.5)),
    ):
        rows = np.tile(np.float32(parameters), (20_000,) + (1,) * np.ndim(parameters))
        samples = numpy(likelihood.sample(rows, seed=3))[:, 0]
        assert (samples == samples.round()).all()
        top = int(reference.ppf(0.999))
        observed = np.bincount(np.minimum(samples.astype(int), top + 1), minlength=top + 2)
        expected = np.append(reference.pmf(np.arange(top + 1)), reference.sf(top)) * 20_000
        groups = np.minimum(np.cumsum(expected) // 50, (20_000 - 50) // 50)
        observed, expected = (np.bincount(groups.astype(int), w) for w in (observed, expected))
        observed, expected = observed[expected > 0], expected[expected > 0]
        assert stats.chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def build(likelihood, condition=None, **options):
    vae = keras_cvae.build_cvae(
        (4,), condition, 2, network=networks.Dense((16,)), likelihood=likelihood
    )
    vae.compile(keras.optimizers.Adam(0.02), **options)
    return vae


@pytest.fixture(scope="module")
def genes():
    """Columns of means 0, 1, 30 and 900, the last of which varies more than independent events."""
    rng = np.random.default_rng(0)
    mean = np.stack([np.zeros(256), np.ones(256), np.full(256, 30.0), rng.gamma(2, 450, 256)], 1)
    return rng.poisson(mean)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize("name", ["poisson", "negative_binomial"])
def test_in_a_model_means_are_in_units_of_the_data(name, genes):
    """Integers or floats; the decoder begins at the columns' means, and nothing is rescaled."""
    vae = build(name)
    floats = genes.astype("float64")
    vae.fit(genes, epochs=1, batch_size=256, verbose=0)
    zeros = np.zeros((1, *vae.decoder.output_shape[1:]), "float32")
    base = numpy(vae.likelihood.mean(zeros))[0]
    expected = np.where(genes.mean(0) > 0, genes.mean(0), 1)
    np.testing.assert_allclose(base, expected, rtol=1e-4)
    seen = numpy(vae.get_layer("standardize")(keras.ops.convert_to_tensor(floats)))
    assert np.abs(seen.mean(0)).max() < 1e-3 and np.abs(seen).max() < 20
    one, other = (vae.evaluate(x, verbose=0, draws=2) for x in (genes, floats))
    np.testing.assert_allclose(one, other, rtol=1e-6)
    vae.fit(floats, epochs=30, batch_size=64, verbose=0)
    mean = vae.reconstruct(genes).mean(0)
    np.testing.assert_allclose(mean[1:], genes.mean(0)[1:], rtol=0.15)
    assert mean[0] < 0.3
    drawn = vae.generate(count=200, pixels="sample", seed=0)
    assert (drawn == drawn.round()).all() and drawn.min() == 0 and drawn.max() > 300


@pytest.mark.once
def test_a_negative_binomial_explains_more_where_counts_vary_more(genes):
    elbos = []
    for likelihood in (Poisson(), NegativeBinomial()):
        x = tensor(genes[:, 3:])
        log_mean = np.full(x.shape, np.log(genes[:, 3].mean()), "float32")
        each = [log_mean, np.stack([log_mean, np.full(x.shape, np.log(2))], -1)]
        elbos.append(numpy(likelihood.log_prob(x, tensor(each[len(elbos)]))).mean())
    assert elbos[1] > elbos[0] + 100


@pytest.mark.parametrize("steps_per_execution", ["auto", 1])
def test_counts_of_a_stream_are_not_scaled(genes, steps_per_execution):
    """Also where Keras runs it step by step: a decoder of zeros says the columns' means."""
    vae = build("poisson", steps_per_execution=steps_per_execution)
    vae.adapt(genes)
    decoder = vae.get_layer("decoder")
    decoder.set_weights([np.zeros_like(weight) for weight in decoder.get_weights()])
    batches = ((genes[i : i + 64],) for i in range(0, 256, 64))
    found = vae.evaluate(batches, verbose=0, return_dict=True)["reconstruction"]
    means = np.where(genes.mean(0) > 0, genes.mean(0), 1)
    expected = -stats.poisson(means).logpmf(genes).sum(1).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.once
@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (lambda x: x - 1, "must be counts, as the likelihood requires: whole .* values from -1 to"),
        (lambda x: x / 4, r"must be counts.* Received: \d+\.\d+ among images 0 to 255"),
        (lambda x: x * 10**5, "must be counts.*whole numbers of 0 to 16777216.* values from 0 to"),
        (lambda x: np.where(x > 800, np.nan, x), "must be finite. Received: NaN or infinity"),
        (lambda x: np.minimum(x, 200).astype("uint8"), "uint8 are pixels.* int32 or float32"),
    ],
)
def test_invalid_counts_raise_an_error(genes, broken, message):
    vae = build("poisson")
    with pytest.raises(ValueError, match=message):
        vae.fit(broken(genes), verbose=0)


@pytest.mark.usefixtures("uncompiled")
def test_zeros_and_ones_are_counts(genes):
    for x in (genes > 10, (genes > 10).astype("int8")):
        history = build("poisson").fit(x, batch_size=128, verbose=0).history
        assert np.isfinite(history["loss"]).all()
