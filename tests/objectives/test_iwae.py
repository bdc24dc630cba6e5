"""The K-sample bound against NumPy, and its two gradients against each other."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import special, stats

import keras_cvae
from keras_cvae import divergences, layers, networks, objectives, terms
from keras_cvae.objectives import importance

RNG = np.random.default_rng(0)
BATCH, LATENT, PIXELS = 3, 2, 4
MEAN, LOG_VAR = RNG.normal(size=(2, BATCH, LATENT)).astype("float32")
X = (RNG.random((BATCH, PIXELS)) > 0.5).astype("float32")
DECODER = RNG.normal(size=(LATENT, PIXELS)).astype("float32")


def bound(samples, gradient="plain", x=X, seed=3, weights=None):
    """Minus the bound as a function of z_mean, z_log_var and the decoder's weights; and its z."""
    path_only = gradient == "dreg"
    sampling, repeat = layers.Sampling(seed), layers.Repeat(samples)
    weighted, log_ratio = importance.WeightedPath(), importance.LogRatio(path_only=path_only)
    minus_bound = importance.ImportanceWeightedLoss(samples)
    drawn = []

    def loss(mean, log_var, decoder):
        mean, log_var = repeat([mean, log_var])
        z = sampling([mean, log_var])
        drawn.append(z)
        z, *carrier = weighted(z) if path_only else [z]
        with terms.step(weights) as step:
            minus_bound([x, ops.matmul(z, decoder), log_ratio([mean, log_var, z]), *carrier])
        return step.losses[0]

    return loss, drawn


def numpy_bound(z, mean, log_var, decoder, x):
    """In double precision: `z` of shape `(batch, samples, latent_dim)`."""
    logits = z @ np.float64(decoder)
    log_p = (x[:, None] * logits - np.logaddexp(0, logits)).sum(-1)
    log_prior = stats.norm.logpdf(z).sum(-1)
    deviation = np.exp(np.float64(log_var) / 2)[:, None]
    log_q = stats.norm(np.float64(mean)[:, None], deviation).logpdf(z).sum(-1)
    log_w = log_p + log_prior - log_q
    return (special.logsumexp(log_w, axis=1) - np.log(z.shape[1])).mean()


@pytest.mark.parametrize("gradient", ["plain", "dreg"])
@pytest.mark.parametrize("samples", [1, 50])
def test_the_value_equals_numpy(samples, gradient):
    loss, drawn = bound(samples, gradient)
    tensors = map(ops.convert_to_tensor, (MEAN, LOG_VAR, DECODER))
    ours = float(loss(*tensors))
    z = np.float64(ops.convert_to_numpy(drawn[0])).reshape(BATCH, samples, LATENT)
    assert -ours == pytest.approx(numpy_bound(z, MEAN, LOG_VAR, DECODER, X), rel=1e-5)


def test_one_sample_is_the_monte_carlo_elbo_with_its_gradients(gradient):
    sampling, likelihood = layers.Sampling(3), keras_cvae.likelihoods.Bernoulli()

    def elbo(mean, log_var, decoder):
        z = sampling([mean, log_var])
        kl = divergences.monte_carlo_kl(z, mean, log_var)
        return ops.mean(kl - likelihood.log_prob(X, ops.matmul(z, decoder)))

    ours = gradient(bound(1)[0], MEAN, LOG_VAR, DECODER)
    theirs = gradient(elbo, MEAN, LOG_VAR, DECODER)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-6)


def test_dreg_has_the_same_expectation_and_less_variance(gradient):
    """One gradient an example: of `count` copies of an example, each with noise of its own."""
    count, samples = 20_000, 8
    copies = [np.tile(array[:1], (count, 1)) for array in (MEAN, LOG_VAR, X)]
    found = {}
    for kind in ("plain", "dreg"):
        loss, _ = bound(samples, kind, x=copies[2], seed=5)
        of_mean, of_log_var, of_decoder = gradient(loss, *copies[:2], DECODER)
        found[kind] = count * np.float64(np.concatenate([of_mean, of_log_var], axis=1)), of_decoder
    (plain, decoder), (dreg, same_decoder) = found["plain"], found["dreg"]
    np.testing.assert_allclose(same_decoder, decoder, rtol=1e-3, atol=1e-5)  # the same noise
    error = np.sqrt((plain.var(0) + dreg.var(0)) / count)
    assert (np.abs(plain.mean(0) - dreg.mean(0)) < 4 * error).all()
    assert np.abs(plain.mean(0)).max() > 10 * error.max()  # it could have failed
    ratio = dreg.var(0) / plain.var(0)
    print("variance of DReG, as a share of the plain one's:", ratio)
    assert ratio.mean() < 0.7


def test_an_example_of_weight_zero_has_no_gradient(gradient):
    loss, _ = bound(4, "dreg", weights=np.float32([1, 0, 2]))
    of_mean, of_log_var, _ = gradient(loss, MEAN, LOG_VAR, DECODER)
    assert np.isfinite(of_mean).all() and np.isfinite(of_log_var).all()
    assert not of_mean[1].any() and of_mean[0].any() and of_mean[2].any()


def test_the_terms_are_those_of_the_elbo_and_the_bound_is_tighter(digits):
    x, y = digits.x_train[:512], digits.y_train[:512]
    losses = {}
    for samples in (1, 20):
        keras.utils.set_random_seed(0)
        options = {"network": networks.Dense((32,)), "objective": objectives.IWAE(samples)}
        cvae = keras_cvae.build_cvae((8, 8, 1), 10, 8, **options)
        cvae.compile(keras.optimizers.Adam(5e-3))
        cvae.fit([x, y], epochs=15, batch_size=64, verbose=0)
        losses[samples] = cvae.evaluate([x, y], verbose=0, return_dict=True)
    one, many = losses[1], losses[20]
    assert one["loss"] == pytest.approx(one["reconstruction"] + one["kl"], rel=1e-5)
    assert many["loss"] < many["reconstruction"] + many["kl"] - 0.2
    assert many["loss"] < one["loss"] + 0.3  # 24.5 against 24.7


@pytest.mark.parametrize("samples", [0, 2.5, "many"])
def test_bad_numbers_of_samples_raise_an_error(samples):
    with pytest.raises(ValueError, match="`samples` must be an integer of at least 1"):
        objectives.IWAE(samples)


@pytest.mark.once
def test_invalid_arguments_raise_an_error():
    with pytest.raises(ValueError, match="`gradient` must be one of 'plain', 'dreg'"):
        objectives.IWAE(5, "drag")
    with pytest.raises(
        ValueError, match='`gradient` must be "plain" for several groups of latents'
    ):
        options = {"network": "hierarchical", "objective": objectives.IWAE(5, "dreg")}
        keras_cvae.build_cvae((6,), None, 4, **options)
