"""The importance-weighted log-likelihood against exact evidence."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats

import keras_cvae
from keras_cvae import conditions, evaluation, networks, objectives

DENSE = networks.Dense((8,))
RNG = np.random.default_rng(0)


def widen_posterior(cvae):
    """With q(z | x) wider than p(z), so that importance weights are bounded."""
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    head.set_weights([0.2 * head.get_weights()[0], np.full(cvae.latent_dim, 0.5)])
    return cvae


def linear_gaussian(condition=None, prior="standard_normal"):
    """x | z ~ N(W z + b, v I), so that x ~ N(b, W W' + v I); q(z | x) is only roughly right."""
    keras.utils.set_random_seed(0)
    more = condition or 0
    encoder = keras.Sequential([keras.Input((5 + more,)), keras.layers.Dense(8, "tanh")])
    decoder = keras.Sequential([keras.Input((2 + more,)), keras.layers.Dense(5)])
    likelihood = keras_cvae.likelihoods.Gaussian(0.5)
    options = {"network": (encoder, decoder), "likelihood": likelihood, "prior": prior}
    return widen_posterior(keras_cvae.build_cvae((5,), condition, 2, **options)), decoder.layers[-1]


@pytest.mark.parametrize("condition", [None, 3])
def test_the_evidence_of_a_linear_gaussian_model(condition):
    cvae, dense = linear_gaussian(condition)
    x = RNG.normal(size=(7, 5)).astype("float32")
    labels = None if condition is None else np.array([0, 1, 2, 0, 1, 2, 0])
    w, b = map(np.float64, dense.get_weights())
    means = np.tile(b, (7, 1)) if condition is None else b + w[2 + labels]
    covariance = w[:2].T @ w[:2] + 0.5 * np.eye(5)
    exact = scipy.stats.multivariate_normal(np.zeros(5), covariance).logpdf(x - means)
    estimate = evaluation.log_likelihood(cvae, x, labels, samples=20_000, verbose=0)
    np.testing.assert_allclose(estimate, exact, atol=0.1)


def test_the_evidence_of_bernoulli_pixels_by_numerical_integration():
    keras.utils.set_random_seed(1)
    cvae = widen_posterior(keras_cvae.build_cvae((6,), None, 1, network=DENSE))
    x = np.array(list(itertools.islice(itertools.product([0.0, 1.0], repeat=6), 0, 64, 9)))
    z = np.linspace(-12, 12, 4001)
    p = np.float64(cvae.generator.predict(z[:, None].astype("float32"), verbose=0))
    log_joint = x @ np.log(p).T + (1 - x) @ np.log1p(-p).T + scipy.stats.norm.logpdf(z)
    exact = np.log(np.trapezoid(np.exp(log_joint), z, axis=1))
    estimate = evaluation.log_likelihood(cvae, x.astype("float32"), samples=20_000, verbose=0)
    np.testing.assert_allclose(estimate, exact, atol=0.02)
    assert np.exp(
        evaluation.log_likelihood(
            cvae,
            np.float32(list(itertools.product([0, 1], repeat=6))),
            samples=500,
            verbose=0,
        )
    ).sum() == pytest.approx(1, abs=0.02)


def test_one_sample_is_the_elbo_and_more_are_tighter():
    x, y, *_ = keras_cvae.datasets.load("digits")
    x, y = x[:200], y[:200]
    keras.utils.set_random_seed(2)
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, network=networks.Dense((32,)))
    cvae.compile("adam")
    cvae.fit(x, y, epochs=3, verbose=0)
    elbo = -cvae.evaluate(x, y, verbose=0, return_dict=True)["loss"]
    means = {
        k: evaluation.log_likelihood(cvae, x, y, samples=k, seed=k, verbose=0).mean()
        for k in (1, 10, 130)
    }
    assert means[1] == pytest.approx(elbo, abs=0.5)
    assert means[1] < means[10] < means[130]


def test_seeds_shapes_and_binarisation():
    x, y, *_ = keras_cvae.datasets.load("digits")
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 2, binarize="dynamic", network=DENSE)
    one, same, other = (
        evaluation.log_likelihood(cvae, x[:9], y[:9], samples=3, seed=seed, verbose=0)
        for seed in (0, 0, 1)
    )
    assert one.shape == (9,) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
    grey = keras_cvae.build_cvae((8, 8, 1), 10, 2, binarize="threshold", network=DENSE)
    black = (x[:9] > 0.5 * 255 if x.dtype == np.uint8 else x[:9] > 0.5).astype("float32")
    np.testing.assert_allclose(
        *(evaluation.log_likelihood(grey, a, y[:9], samples=3, verbose=0) for a in (x[:9], black)),
        rtol=1e-5,
    )


def test_bad_arguments():
    cvae, _ = linear_gaussian()
    x = np.zeros((3, 5), "float32")
    with pytest.raises(ValueError, match="`samples` must be an integer of at least 1"):
        evaluation.log_likelihood(cvae, x, samples=0)
    with pytest.raises(ValueError, match="`y` must be left out"):
        evaluation.log_likelihood(cvae, x, [1, 2, 3])
    with pytest.raises(ValueError, match="must have the shape"):
        evaluation.log_likelihood(cvae, x[:, :4])


def test_the_evidence_under_a_learned_prior(with_xla):
    """x | z ~ N(W z + b, v I), z | y ~ N(m, diag s): x ~ N(W m + b, W diag s W' + v I)."""
    cvae, dense = linear_gaussian(3, prior="conditional")
    for layer in (cvae.prior.mean, cvae.prior.log_var):
        layer.set_weights([0.5 * RNG.normal(size=w.shape) for w in layer.get_weights()])
    x, labels = RNG.normal(size=(6, 5)).astype("float32"), np.array([0, 1, 2, 0, 1, 2])
    w, b = map(np.float64, dense.get_weights())
    one_hot = np.eye(3, dtype="float32")[labels]
    parameters = cvae.prior.parameters(one_hot)
    mean, log_var = (np.float64(keras.ops.convert_to_numpy(p)) for p in parameters)
    exact = [
        scipy.stats.multivariate_normal(
            m @ w[:2] + b + w[2 + label], w[:2].T * np.exp(s) @ w[:2] + 0.5 * np.eye(5)
        ).logpdf(row)
        for row, label, m, s in zip(x, labels, mean, log_var, strict=True)
    ]
    with with_xla():
        estimate = evaluation.log_likelihood(cvae, x, labels, samples=20_000, verbose=0)
    np.testing.assert_allclose(estimate, exact, atol=0.1)


@pytest.mark.once
def test_log_likelihood_follows_jit_compile(monkeypatch):
    from keras_cvae.evaluation import likelihood
    from keras_cvae.fitting import tensorflow_steps

    monkeypatch.setattr(tensorflow_steps, "gains_by_xla", lambda model: True)
    cvae = keras_cvae.build_cvae((4,), network=networks.Dense((3,)))
    for jit_compile in ("auto", False):
        cvae.compile("adam", jit_compile=jit_compile)
        model, _ = likelihood._ratio_model(cvae, 2)
        assert model.jit_compile == bool(jit_compile)


def test_seeds_share_no_noise():
    cvae, _ = linear_gaussian()
    x = np.tile(RNG.normal(size=(1, 5)).astype("float32"), (64, 1))
    found = [
        set(evaluation.log_likelihood(cvae, x, samples=1, seed=seed, verbose=0))
        for seed in range(4)
    ]
    assert all(len(values) == 64 for values in found)
    assert len(set.union(*found)) == 4 * 64


def test_it_is_the_bound_of_the_objective():
    x = RNG.normal(size=(400, 5)).astype("float32")
    keras.utils.set_random_seed(0)
    options = {"likelihood": keras_cvae.likelihoods.Gaussian(0.5), "network": DENSE}
    cvae = keras_cvae.build_cvae((5,), None, 2, objective=objectives.IWAE(7), **options)
    cvae.compile("adam")
    bound = -cvae.evaluate(x, batch_size=400, verbose=0)[0]
    estimates = [
        evaluation.log_likelihood(cvae, x, samples=7, seed=seed, verbose=0).mean()
        for seed in range(20)
    ]
    error = np.std(estimates) * np.sqrt(2 / 20)
    assert bound == pytest.approx(np.mean(estimates), abs=4 * error)


@pytest.mark.parametrize("encoder", [False, True])
def test_log_likelihood_with_inferred_labels(encoder):
    keras.utils.set_random_seed(0)
    condition = conditions.Inferred(3, encoder=encoder)
    cvae = keras_cvae.build_cvae((5,), condition, 2, network=DENSE)
    x = RNG.random((6, 5), dtype="float32")
    labels = cvae.classifier.predict(x, verbose=0).argmax(-1)
    given, inferred = (
        evaluation.log_likelihood(cvae, x, y, samples=20, verbose=0) for y in (labels, -1)
    )
    np.testing.assert_allclose(inferred, given, rtol=1e-5)


def test_bits_per_dimension():
    assert evaluation.bits_per_dimension(-np.log(256.0) * 12, (2, 2, 3)) == pytest.approx(8)
    # A uniform density on [0, 1] is 8 bits of 256 levels.
    assert evaluation.bits_per_dimension(0.0, (4,), levels=256) == pytest.approx(8)
    with pytest.raises(ValueError, match="`levels` must be an integer of at least 2"):
        evaluation.bits_per_dimension(0.0, (4,), levels=1)
