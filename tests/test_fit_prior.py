"""A prior fitted to where the encodings of each label lie."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_cvae
from keras_cvae import aggregate, conditions, evaluation, likelihoods, networks, priors


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def encodings(rng, count, means):
    """Posteriors around some means, taken in turn, each of variance 0.1."""
    means = np.asarray(means, "float64")[np.arange(count) % len(means)]
    z_mean = means + 0.3 * rng.standard_normal(means.shape)
    return z_mean.astype("float32"), np.full(means.shape, np.log(0.1), "float32")


def test_a_mixture_finds_the_density_of_the_encodings_of_each_label():
    rng = np.random.default_rng(0)
    modes = {0: [[-3, 0], [3, 1]], 1: [[0, 5]], -1: [[-3, 0], [3, 1], [0, 5]]}
    found = {label: encodings(rng, 600, means) for label, means in modes.items()}
    prior, scores = aggregate.fit(found, num_classes=3)
    assert prior.components > 1 and not prior.trainable_weights
    assert scores[1] < max(scores.values())
    covariance = (0.3**2 + 0.1) * np.eye(2)
    z = rng.uniform(-4, 6, size=(500, 2))
    for label, means in {**modes, 2: modes[-1]}.items():  # 2 has no examples
        density = sum(stats.multivariate_normal(m, covariance).pdf(z) for m in means) / len(means)
        y = np.zeros((500, 3))
        y[:, label] = label >= 0
        log_p = numpy(prior.log_prob(tensor(z), tensor(y)))
        inside = density > 0.02
        assert inside.sum() > 5
        assert np.abs(log_p - np.log(density))[inside].mean() < 0.3


def test_a_continuous_condition_shifts_the_mixture():
    rng = np.random.default_rng(0)
    y = np.stack([rng.normal(size=800), np.ones(800)], axis=1)
    z_mean = 2 * y[:, :1] * [1.0, -1.0] + 0.3 * rng.standard_normal((800, 2)) + 5
    prior, _ = aggregate.fit_along(z_mean, np.full((800, 2), np.log(0.1)), y)
    rows = tensor([[-1, 1], [0, 1], [2, 1]])
    drawn = [
        numpy(
            prior.transport(
                tensor(rng.standard_normal((500, 2))), keras.ops.repeat(row[None], 500, 0)
            )
        )
        for row in rows
    ]
    centres = np.stack([z.mean(0) for z in drawn])
    np.testing.assert_allclose(centres, [[3, 7], [5, 5], [9, 1]], atol=0.2)


@pytest.fixture(scope="module")
def trained(digits):
    keras.utils.set_random_seed(0)
    condition = conditions.Classes(10, dropout=0.1)
    options = {"network": networks.Dense((64,)), "likelihood": "gaussian"}
    cvae = keras_cvae.build_cvae((8, 8, 1), condition, 8, **options)
    cvae.compile(keras.optimizers.Adam(3e-3))
    cvae.fit([digits.x_train, digits.y_train], epochs=25, batch_size=64, verbose=0)
    return cvae


def read_as(digits, images):
    """What a nearest neighbour among the training digits makes of images."""
    from sklearn.neighbors import KNeighborsClassifier

    knn = KNeighborsClassifier(3).fit(digits.x_train.reshape(-1, 64), digits.y_train)
    return knn.predict(images.reshape(-1, 64))


def test_images_become_what_was_asked_for_and_the_bound_better(trained, digits, tmp_path):
    x, y = digits.x_test, digits.y_test
    labels = np.arange(512) % 10
    before = np.mean(read_as(digits, trained.generate(labels, seed=0)) == labels)
    bound = evaluation.log_likelihood(trained, x, y, samples=20, verbose=0).mean()
    elbo = trained.evaluate([x, y], verbose=0, return_dict=True)["elbo"]
    report = trained.fit_prior([digits.x_train, digits.y_train])
    assert type(trained.prior) is priors.Mixture
    assert report["components"] == max(report["scores"], key=report["scores"].get)

    images = trained.generate(labels, seed=0)
    after = np.mean(read_as(digits, images) == labels)
    assert after > 0.93 and after > before
    better = evaluation.log_likelihood(trained, x, y, samples=20, verbose=0).mean()
    assert better > bound + 0.2
    measured = trained.evaluate([x, y], verbose=0, return_dict=True)
    terms = evaluation.terms(trained, x, y, draws=20)
    assert measured["elbo"] > elbo + 0.2
    assert measured["elbo"] == pytest.approx(terms["elbo"].mean(), abs=0.2)
    assert measured["elbo"] == pytest.approx(-measured["kl"] - measured["reconstruction"], abs=0.1)

    trained.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.generate(labels, seed=0), images, atol=1e-5)
    noise = np.random.default_rng(0).standard_normal((512, 8), "float32")
    # In one batch, as there: a quantile of the prior multiplies the rounding of another size.
    drawn = loaded.generator.predict([noise, labels], batch_size=512, verbose=0)
    np.testing.assert_allclose(drawn, images, rtol=1e-5, atol=1e-5)

    with pytest.warns(UserWarning, match="call `fit_prior` again"):
        loaded.fit([digits.x_train, digits.y_train], verbose=0)
    assert type(loaded.prior) is priors.StandardNormal


def test_temperature_and_pixels(trained, digits):
    trained.fit_prior([digits.x_train, digits.y_train])
    labels = np.full(200, 3)
    spread = [trained.generate(labels, temperature=t, seed=0).std(0).mean() for t in (0.0, 0.5, 1)]
    assert spread[0] < spread[1] < spread[2]
    mean, drawn, again = (
        trained.generate(labels, pixels=pixels, seed=0) for pixels in ("mean", "sample", "sample")
    )
    np.testing.assert_array_equal(drawn, again)
    deviation = np.exp(0.5 * numpy(trained.likelihood.log_variance))
    assert (drawn - mean).std() == pytest.approx(deviation, rel=0.05)
    with pytest.raises(ValueError, match="`pixels` must be one of 'mean', 'sample'"):
        trained.generate(labels, pixels="means")


@pytest.mark.parametrize(
    ("condition", "values"),
    [
        (None, None),
        (lambda: conditions.Vector(1), np.linspace(-1, 1, 60, dtype="float32")),
        (lambda: conditions.Inferred(3), np.arange(60) % 4 - 1),
        (lambda: conditions.Classes(3), np.arange(60) % 2),  # nothing of the last
    ],
)
def test_every_condition_has_a_prior_fitted(condition, values, tmp_path):
    x = np.random.default_rng(0).random((60, 6), dtype="float32")
    network = networks.Hierarchical(networks.Dense((8,))) if condition is None else "dense"
    cvae = keras_cvae.build_cvae((6,), condition and condition(), 4, network=network)
    cvae.compile("adam")
    cvae.fit(x, values, verbose=0)
    cvae.fit_prior(x, values)
    given = None if values is None else values[:5]
    images = cvae.generate(given, count=5, seed=0)
    assert images.shape == (5, 6) and np.isfinite(images).all()
    assert np.isfinite(evaluation.log_likelihood(cvae, x, values, samples=2, verbose=0)).all()
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.generate(given, count=5, seed=0), images, atol=1e-5)


def test_streams_are_taken_too():
    x = np.random.default_rng(0).random((60, 6), dtype="float32")
    y = np.arange(60) % 3
    cvae = keras_cvae.build_cvae((6,), 3, 2, likelihood=likelihoods.Gaussian(0.1))
    cvae.compile("adam")
    cvae.fit((pair for pair in [(x[:30], y[:30]), (x[30:], y[30:])]), verbose=0)
    cvae.fit_prior(pair for pair in [(x[:30], y[:30]), (x[30:], y[30:])])
    assert cvae.prior.conditional and cvae.generate([0, 1, 2]).shape == (3, 6)
