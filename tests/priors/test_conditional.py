"""A prior that depends on y."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_cvae
from keras_cvae import divergences, layers, networks, priors


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


ONE_HOT = np.eye(3, dtype="float32")


@pytest.fixture
def prior():
    """A table of means and log-variances, a row a label, as `hidden_units=()` gives."""
    prior = priors.Conditional(hidden_units=())
    prior.build((None, 2), (None, 3))
    prior.mean.set_weights([np.float32([[0, 1], [2, 3], [-4, 5]]), np.float32([0.5, 0.5])])
    prior.log_var.set_weights([np.float32([[0, 0], [1, -1], [-2, 1]]), np.zeros(2, "float32")])
    return prior


def test_against_scipy_for_each_label(prior):
    rng = np.random.default_rng(0)
    z, mean, log_var = rng.normal(size=(3, 3, 2)).astype("float32")
    m = np.float64([[0.5, 1.5], [2.5, 3.5], [-3.5, 5.5]])
    lv = np.float64([[0, 0], [1, -1], [-2, 1]])
    expected = stats.norm.logpdf(np.float64(z), m, np.exp(lv / 2)).sum(-1)
    np.testing.assert_allclose(
        numpy(prior.log_prob(tensor(z), tensor(ONE_HOT))), expected, rtol=1e-5
    )
    kl = numpy(prior.kl(tensor(mean), tensor(log_var), y=tensor(ONE_HOT)))
    for row in range(3):
        expected = divergences.normal_kl(
            mean[row], log_var[row], *map(np.float32, (m[row], lv[row]))
        )
        np.testing.assert_allclose(kl[row], numpy(expected), rtol=1e-5)
    unknown = numpy(prior.log_prob(tensor(z[:1]), tensor(np.zeros((1, 3)))))
    expected = stats.norm.logpdf(np.float64(z[0]), 0.5).sum()  # what the biases say
    np.testing.assert_allclose(unknown, [expected], rtol=1e-5)


def test_transported_noise_has_the_moments_of_each_label(prior):
    noise = np.random.default_rng(0).standard_normal((3, 20_000, 2))
    for label, (mean, log_var) in enumerate(
        [([0.5, 1.5], [0, 0]), ([2.5, 3.5], [1, -1]), ([-3.5, 5.5], [-2, 1])]
    ):
        y = np.repeat(ONE_HOT[label : label + 1], 20_000, axis=0)
        z = numpy(prior.transport(tensor(noise[label]), tensor(y)))
        deviation = np.exp(np.float64(log_var) / 2)
        np.testing.assert_allclose(z, mean + deviation * noise[label], rtol=1e-4, atol=1e-4)
        assert (np.abs(z.mean(0) - mean) < 5 * deviation / np.sqrt(20_000)).all()
        np.testing.assert_allclose(z.std(0), deviation, rtol=0.03)
        assert abs(np.corrcoef(z.T)[0, 1]) < 0.04


@pytest.mark.parametrize("hidden_units", [(), (5,), (5, 4)])
def test_it_starts_as_the_standard_normal(hidden_units):
    prior = priors.Conditional(hidden_units)
    prior.build((None, 2), (None, 3))
    z, mean, log_var = np.random.default_rng(0).normal(size=(3, 3, 2))
    standard = priors.StandardNormal()
    for ours, expected in (
        (prior.log_prob(tensor(z), tensor(ONE_HOT)), standard.log_prob(tensor(z))),
        (
            prior.kl(tensor(mean), tensor(log_var), y=tensor(ONE_HOT)),
            standard.kl(tensor(mean), tensor(log_var)),
        ),
        (prior.transport(tensor(z), tensor(ONE_HOT)), z),
    ):
        np.testing.assert_allclose(numpy(ours), numpy(expected), rtol=1e-5, atol=1e-6)
    assert len(prior.trainable_weights) == 4 + 2 * len(hidden_units)


@pytest.mark.slow
@pytest.mark.once
def test_it_learns_where_the_latents_of_each_label_lie():
    """A posterior that is fixed, at another place for each label: the prior moves onto it."""
    label, z_mean, z_log_var = keras.Input((3,)), keras.Input((2,)), keras.Input((2,))
    outputs = layers.KLDivergence(prior=priors.Conditional(()))([z_mean, z_log_var], y=label)
    model = keras.Model([label, z_mean, z_log_var], outputs)
    model.compile(keras.optimizers.Adam(0.05))
    labels = np.arange(300) % 3
    centers = np.float32([[0, 0], [2, -1], [-2, 1]])
    spread = 0.5 * np.random.default_rng(0).standard_normal((300, 2))
    means = (centers[labels] + spread).astype("float32")
    data = [ONE_HOT[labels], means, np.full((300, 2), np.log(0.75), "float32")]
    before = model.evaluate(data, verbose=0)
    model.fit(data, epochs=60, batch_size=100, verbose=0)
    prior = next(layer.prior for layer in model.layers if hasattr(layer, "prior"))
    mean, log_var = map(numpy, prior.parameters(tensor(ONE_HOT)))
    for row in range(3):
        of_label = means[labels == row]
        np.testing.assert_allclose(mean[row], of_label.mean(0), atol=0.1)
        np.testing.assert_allclose(np.exp(log_var[row]), of_label.var(0) + 0.75, atol=0.15)
    assert model.evaluate(data, verbose=0) < before - 1


@pytest.mark.slow
@pytest.mark.once
def test_a_conditional_prior_is_as_good_on_real_digits_and_generates_them(
    trained_on_digits, digits
):
    """Seeds 0 to 2 gave ELBOs of -22.1 to -21.8 and, with N(0, I), of -22.0 to -21.9."""
    options = {"network": networks.Dense((64,)), "prior": "conditional"}
    cvae = keras_cvae.build_cvae((8, 8, 1), 10, 8, **options)
    cvae.compile(keras.optimizers.Adam(3e-3))
    cvae.fit([digits.x_train, digits.y_train], epochs=25, batch_size=64, verbose=0)
    test = [digits.x_test, digits.y_test]
    ours, plain = (-model.evaluate(test, verbose=0)[0] for model in (cvae, trained_on_digits))
    assert ours > plain - 0.4
    labels = np.arange(100) % 10
    noise = np.random.default_rng(3).standard_normal((100, 8), "float32")
    one_hot = np.eye(10, dtype="float32")[labels]
    z = numpy(cvae.prior.transport(tensor(noise), tensor(one_hot)))
    assert np.abs(z - noise).max() > 0.1  # it has moved
    np.testing.assert_allclose(cvae.generate(labels, seed=3), cvae.decode(z, labels), atol=1e-5)
    centers = np.stack([digits.x_train[digits.y_train == digit].mean(0) for digit in range(10)])
    images = cvae.generate(labels, seed=3)
    distances = ((images[:, None] - centers) ** 2).sum(axis=(2, 3, 4))
    assert np.mean(distances.argmin(1) == labels) > 0.85


@pytest.mark.once
def test_a_missing_condition_raises_an_error():
    with pytest.raises(ValueError, match="`prior` must not depend on y where there is no `cond"):
        keras_cvae.build_cvae((6,), prior=priors.Conditional())
    posterior = [np.zeros((2, 2), "float32")] * 2
    with pytest.raises(ValueError, match="must be used with a condition"):
        layers.KLDivergence(prior="conditional")(posterior)


@pytest.mark.once
def test_bad_arguments_raise_an_error():
    with pytest.raises(ValueError, match="`hidden_units` must be a list or tuple"):
        priors.Conditional(64)
    with pytest.raises(ValueError, match="activation"):
        priors.Conditional(activation="tanhh")
