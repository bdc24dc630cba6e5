import keras
import numpy as np
import pytest
from scipy import stats

from keras_cvae import build_cvae, conditions, likelihoods, networks, objectives, terms


def numpy(x):
    return keras.ops.convert_to_numpy(x)


@pytest.fixture
def batch():
    return np.random.default_rng(0).normal(size=(2, 6, 4, 3)).astype("float32")


def test_the_variance_maximizes_the_probability_of_the_batch(batch):
    x, mean = batch
    found = numpy(likelihoods.OptimalGaussian().log_prob_of_batch(x, mean))
    assert found.shape == (6,)
    variance = np.mean(np.square(np.float64(x) - mean))
    expected = stats.norm(mean, np.sqrt(variance)).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    closed_form = -x.size / 2 * (np.log(2 * np.pi * variance) + 1)
    np.testing.assert_allclose(found.sum(), closed_form, rtol=1e-5)
    for factor in (0.8, 0.99, 1.01, 1.2):
        other = numpy(likelihoods.Gaussian(factor * variance).log_prob(x, mean)).sum()
        assert other < found.sum() + (1e-3 if abs(factor - 1) < 0.1 else -0.1)


@pytest.mark.parametrize("rows", [1, 2])
def test_the_variance_is_optimal_with_sample_weights(batch, rows):
    """Also where each example is two rows, as with two samples of z."""
    x, mean = batch
    weights = np.float32([0, 1, 2, 0.5, 0, 3])[: 6 // rows]
    ours = likelihoods.OptimalGaussian()
    with terms.step(keras.ops.convert_to_tensor(weights)):
        found = numpy(ours.log_prob_of_batch(x, mean))
    squares = np.square(np.float64(x) - mean).mean((1, 2))
    variance = np.average(squares, weights=weights.repeat(rows))
    expected = stats.norm(mean, np.sqrt(variance)).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    with terms.step(keras.ops.zeros(6)):  # no example counts: finite all the same
        found = numpy(ours.log_prob_of_batch(x, mean))
    expected = stats.norm(mean, np.sqrt(squares.mean())).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_rows_of_impossible_labels_do_not_change_the_variance():
    """Of an enumerated label that is given, all rows but one are of others."""
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=256)
    x = (y[:, None] + 0.1 * rng.normal(size=(256, 4))).astype("float32")
    ours = likelihoods.OptimalGaussian(momentum=0.5)
    model = build_cvae((4,), conditions.Enumerated(2), 1, likelihood=ours, network="dense")
    model.compile(keras.optimizers.Adam(0.01))
    model.fit([x, y], epochs=20, batch_size=64, verbose=0)
    assert np.exp(numpy(model.likelihood.log_variance)) < 0.1  # 0.01 / x.var() and little more


def test_the_gradient_is_that_of_the_closed_form(batch, gradient):
    """Of -D/2 log v, in which v depends on the means: x - m over v."""
    x, mean = batch
    ours = likelihoods.OptimalGaussian()
    (slope,) = gradient(lambda m: keras.ops.sum(ours.log_prob_of_batch(x, m)), mean)
    size, x = x.size, keras.ops.convert_to_tensor(x)
    (expected,) = gradient(
        lambda m: -size / 2 * keras.ops.log(keras.ops.mean(keras.ops.square(x - m))), mean
    )
    np.testing.assert_allclose(slope, expected, rtol=1e-4, atol=1e-5)


def test_the_stored_variance_is_the_average_over_steps(batch):
    ours, x = likelihoods.OptimalGaussian(momentum=0.75), batch[0]
    variances = [(0.5 + i) ** 2 for i in range(8)]
    expected = []
    for i, variance in enumerate(variances):
        ours.log_prob_of_batch(x, x + np.float32(0.5 + i))
        average = np.mean(variances[: i + 1]) if i < 4 else 0.75 * expected[-1] + 0.25 * variance
        expected.append(average)
        np.testing.assert_allclose(np.exp(numpy(ours.log_variance)), average, rtol=1e-4)
    found = numpy(ours.log_prob(x, batch[1]))
    reference = stats.norm(batch[1], np.sqrt(expected[-1])).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(found, reference, rtol=1e-4)
    drawn = numpy(ours.sample(np.zeros((40_000, 1), "float32"), seed=0))
    assert abs(drawn.var() / expected[-1] - 1) < 0.04


def test_a_perfect_decoder_has_a_finite_density(batch, gradient):
    ours, x = likelihoods.OptimalGaussian(), batch[0]
    expected = -x[0].size / 2 * (np.log(2 * np.pi) + np.log(1e-6))
    np.testing.assert_allclose(numpy(ours.log_prob_of_batch(x, x)), expected, rtol=1e-4)
    (slope,) = gradient(lambda m: keras.ops.sum(ours.log_prob_of_batch(x, m)), x)
    np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize("objective", [objectives.ELBO(), objectives.IWAE(2)])
def test_in_a_model_the_variance_is_that_of_the_residuals(objective, tmp_path):
    """At another scale than 1, after few steps, without a trainable variance; and once loaded."""
    rng = np.random.default_rng(0)
    x = rng.normal(400, 20, size=(512, 6)).astype("float32")
    ours = likelihoods.OptimalGaussian(momentum=0.5)
    network = networks.Dense((8,))
    vae = build_cvae((6,), None, 1, likelihood=ours, network=network, objective=objective)
    ours = vae.likelihood
    vae.compile(keras.optimizers.Adam(0.02))
    history = vae.fit(x, epochs=6, batch_size=128, verbose=0).history
    ours = vae.likelihood
    residual = np.mean((x - vae.reconstruct(x)) ** 2) / 20**2
    variance = np.exp(numpy(ours.log_variance))
    assert 0.7 < variance / residual < 1.3 and residual > 0.5
    assert numpy(ours.steps) == 24 and not ours.trainable_variables
    entropy = 3 * (np.log(2 * np.pi * variance * 20**2) + 1)
    assert abs(history["reconstruction"][-1] - entropy) < 0.3
    before = vae.evaluate(x, verbose=0, draws=4, return_dict=True)
    assert abs(before["reconstruction"] - entropy) < 0.3
    assert np.exp(numpy(ours.log_variance)) == variance  # which evaluation leaves alone
    vae.save(tmp_path / "vae.keras")
    loaded = keras.saving.load_model(tmp_path / "vae.keras")
    after = loaded.evaluate(x, verbose=0, draws=4, return_dict=True)
    np.testing.assert_allclose([*after.values()], [*before.values()], rtol=1e-5)


@pytest.mark.parametrize("momentum", [1, -0.1, float("nan"), "much"])
def test_an_invalid_momentum_raises_an_error(momentum):
    with pytest.raises(ValueError, match="`momentum` must be a finite number of at least 0 and be"):
        likelihoods.OptimalGaussian(momentum)
