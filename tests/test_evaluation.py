"""The importance-weighted log-likelihood against exact evidence."""

import itertools

import keras
import numpy as np
import pytest
import scipy.stats

import keras_cvae
from keras_cvae import evaluation

RNG = np.random.default_rng(0)


def widened(cvae):
    """With q(z | x) wider than p(z), so that importance weights are bounded."""
    head = cvae.get_layer("encoder").get_layer("z_log_var")
    head.set_weights([0.2 * head.get_weights()[0], np.full(cvae.latent_dim, 0.5)])
    return cvae


def linear_gaussian(condition=None):
    """x | z ~ N(W z + b, v I), so that x ~ N(b, W W' + v I); q(z | x) is only roughly right."""
    keras.utils.set_random_seed(0)
    more = condition or 0
    encoder = keras.Sequential([keras.Input((5 + more,)), keras.layers.Dense(8, "tanh")])
    decoder = keras.Sequential([keras.Input((2 + more,)), keras.layers.Dense(5)])
    likelihood = keras_cvae.likelihoods.Gaussian(0.5)
    options = {"network": (encoder, decoder), "likelihood": likelihood}
    return widened(keras_cvae.build_cvae((5,), condition, 2, **options)), decoder.layers[-1]


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
    cvae = widened(keras_cvae.build_cvae((6,), None, 1, hidden_units=(8,)))
    x = np.array(list(itertools.islice(itertools.product([0.0, 1.0], repeat=6), 0, 64, 9)))
    z = np.linspace(-12, 12, 4001)
    p = np.float64(cvae.generator.predict(z[:, None].astype("float32"), verbose=0))
    log_joint = x @ np.log(p).T + (1 - x) @ np.log1p(-p).T + scipy.stats.norm.logpdf(z)
    exact = np.log(np.trapezoid(np.exp(log_joint), z, axis=1))
    estimate = evaluation.log_likelihood(cvae, x.astype("float32"), samples=5000, verbose=0)
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
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 4, hidden_units=(32,))
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
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 2, binarize="dynamic", hidden_units=(8,))
    one, same, other = (
        evaluation.log_likelihood(cvae, x[:9], y[:9], samples=3, seed=seed, verbose=0)
        for seed in (0, 0, 1)
    )
    assert one.shape == (9,) and np.isfinite(one).all()
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()
    grey = keras_cvae.build_cvae((8, 8, 1), 10, 2, binarize="threshold", hidden_units=(8,))
    black = (x[:9] > 0.5 * 255 if x.dtype == np.uint8 else x[:9] > 0.5).astype("float32")
    np.testing.assert_allclose(
        *(evaluation.log_likelihood(grey, a, y[:9], samples=3, verbose=0) for a in (x[:9], black)),
        rtol=1e-5,
    )


def test_bad_arguments():
    cvae, _ = linear_gaussian()
    x = np.zeros((3, 5), "float32")
    with pytest.raises(ValueError, match="`samples` must be at least 1"):
        evaluation.log_likelihood(cvae, x, samples=0)
    with pytest.raises(ValueError, match="takes no `labels`"):
        evaluation.log_likelihood(cvae, x, [1, 2, 3])
    with pytest.raises(ValueError, match="must have the shape"):
        evaluation.log_likelihood(cvae, x[:, :4])
    inferring = keras_cvae.build_cvae((5,), 3, 2, infer_label=True)
    with pytest.raises(ValueError, match="given its labels"):
        evaluation.log_likelihood(inferring, x)
