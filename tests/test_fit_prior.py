"""A prior that is fitted to the encodings of each label."""

import keras
import numpy as np
import pytest
from scipy import stats

import keras_cvae
from keras_cvae import conditions, evaluation, likelihoods, networks, objectives, priors
from keras_cvae.priors.fitting import Encodings


@pytest.fixture(autouse=True)
def _long_fits(long_fits):
    with long_fits():
        yield


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def tensor(values):
    return keras.ops.convert_to_tensor(np.asarray(values, "float32"))


def encodings(rng, count, means):
    """Posteriors around some means, taken in turn, each of variance 0.1."""
    means = np.asarray(means, "float64")[np.arange(count) % len(means)]
    z_mean = means + 0.3 * rng.standard_normal(means.shape)
    return z_mean.astype("float32"), np.full(means.shape, np.log(0.1), "float32")


def fit_prior(prior, z_mean, z_log_var, y):
    prior.build((None, z_mean.shape[1]), (None, y.shape[1]))
    return prior.fit(Encodings(z_mean, z_log_var, y))


@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_mixture_learns_the_density_of_the_encodings_of_each_label(covariance):
    rng = np.random.default_rng(0)
    modes = {0: [[-3, 0], [3, 1]], 1: [[0, 5]], -1: [[-3, 0], [3, 1], [0, 5]]}
    labels = np.repeat([*modes], 600)
    z_mean, z_log_var = np.concatenate([encodings(rng, 600, modes[k]) for k in modes], axis=1)
    y = (labels[:, None] == np.arange(3)).astype("float32")
    prior = priors.Mixture(10, conditional=True, covariance=covariance)
    report = fit_prior(prior, z_mean, z_log_var, y)
    assert report["components"] > 1 and report["scores"][1] < max(report["scores"].values())
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


@pytest.mark.parametrize(
    "prior",
    [
        lambda: priors.Mixture.to_fit(conditional=True),
        priors.Conditional,
        lambda: priors.Flow(2, (16,), conditional=True),
    ],
)
def test_a_continuous_condition_shifts_the_prior(prior):
    rng = np.random.default_rng(0)
    y = np.stack([rng.normal(size=4000), np.ones(4000)], axis=1).astype("float32")
    z_mean = y[:, :1] * [1.0, -1.0] + 0.3 * rng.standard_normal((4000, 2)) + 1
    prior = prior()
    fit_prior(prior, z_mean.astype("float32"), np.full((4000, 2), np.log(0.1), "float32"), y)
    rows = tensor([[-1, 1], [0, 1], [1.5, 1]])
    sampled = [
        numpy(
            prior.transport(
                tensor(rng.standard_normal((500, 2))), keras.ops.repeat(row[None], 500, 0)
            )
        )
        for row in rows
    ]
    centres = np.stack([z.mean(0) for z in sampled])
    np.testing.assert_allclose(centres, [[0, 2], [1, 1], [2.5, -0.5]], atol=0.15)
    spread = np.stack([z.std(0) for z in sampled])
    np.testing.assert_allclose(spread, np.full((3, 2), 0.436), atol=0.12)


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


@pytest.mark.slow
@pytest.mark.once
def test_fitting_improves_labels_of_samples_and_the_bound(trained, digits, tmp_path):
    x, y = digits.x_test, digits.y_test
    labels = np.arange(512) % 10
    before = np.mean(read_as(digits, trained.generate(labels, seed=0)) == labels)
    bound = evaluation.log_likelihood(trained, x, y, samples=20, verbose=0).mean()
    elbo = trained.evaluate([x, y], verbose=0, return_dict=True)["elbo"]
    report = trained.fit_prior([digits.x_train, digits.y_train])
    assert type(trained.prior) is priors.Mixture
    assert report["elbo_after"] > report["elbo_before"] + 0.2
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

    history = loaded.fit([digits.x_train, digits.y_train], verbose=0).history
    assert type(loaded.prior) is priors.Mixture  # training goes on with it
    total = history["kl"][-1] + history["reconstruction"][-1]
    assert history["loss"][-1] == pytest.approx(total, rel=1e-5)
    assert history["elbo"][-1] > measured["elbo"] - 5


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
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


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("condition", "values"),
    [
        pytest.param(None, None, marks=pytest.mark.once),
        (lambda: conditions.Vector(1), np.linspace(-1, 1, 60, dtype="float32")),
        pytest.param(lambda: conditions.Inferred(3), np.arange(60) % 4 - 1, marks=pytest.mark.once),
        (lambda: conditions.Classes(3), np.arange(60) % 2),  # nothing of the last
    ],
)
def test_a_prior_is_fitted_for_every_condition(condition, values, tmp_path):
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


@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_prior_is_fitted_to_a_stream():
    x = np.random.default_rng(0).random((60, 6), dtype="float32")
    y = np.arange(60) % 3
    cvae = keras_cvae.build_cvae((6,), 3, 2, likelihood=likelihoods.Gaussian(0.1))
    cvae.compile("adam")
    cvae.fit((pair for pair in [(x[:30], y[:30]), (x[30:], y[30:])]), verbose=0)
    cvae.fit_prior(pair for pair in [(x[:30], y[:30]), (x[30:], y[30:])])
    assert cvae.prior.conditional and cvae.generate([0, 1, 2]).shape == (3, 6)


@pytest.mark.usefixtures("uncompiled")
@pytest.mark.parametrize(
    ("before", "after", "objective"),
    [
        ("standard_normal", "mixture", objectives.ELBO(2.0)),
        pytest.param("vamp", "conditional", objectives.ELBO(), marks=pytest.mark.once),
        ("conditional", priors.Flow(2, (8,)), objectives.IWAE(2, gradient="dreg")),
        pytest.param(
            "mixture", "standard_normal", objectives.Warmup(epochs=2), marks=pytest.mark.once
        ),
    ],
)
def test_any_prior_replaces_any_other(before, after, objective, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_cvae.priors.fitting.EPOCHS", 3)
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 6), dtype="float32"), np.arange(64) % 3
    options = {"network": networks.Dense((8,)), "objective": objective, "prior": before}
    cvae = keras_cvae.build_cvae((6,), 3, 2, **options)
    cvae.compile("adam")
    cvae.fit([x, y], epochs=2, verbose=0)
    encoded, optimizer = cvae.encode(x, y), cvae.optimizer
    beta = [numpy(layer.beta) for layer in cvae.loss_layers if hasattr(layer, "beta")]
    report = cvae.fit_prior([x, y], prior=after)
    assert type(cvae.prior).__name__ == type(priors.get(after)).__name__
    assert [numpy(layer.beta) for layer in cvae.loss_layers if hasattr(layer, "beta")] == beta
    np.testing.assert_array_equal(cvae.encode(x, y), encoded)
    if after == "mixture":
        assert report["elbo_after"] > report["elbo_before"]

    z = encoded[0]
    noise = rng.standard_normal(z.shape).astype("float32")
    known = tensor(np.eye(3)[y]) if cvae.prior.conditional else None
    expected = cvae.decode(numpy(cvae.prior.transport(tensor(noise), known)), y)
    np.testing.assert_allclose(cvae.generator.predict([noise, y], verbose=0), expected, atol=1e-5)
    terms = evaluation.terms(cvae, x, y, draws=200)
    measured = cvae.evaluate([x, y], draws=200, batch_size=4000, verbose=0, return_dict=True)
    assert measured["kl"] == pytest.approx(terms["kl"].mean(), abs=0.05)
    assert len(cvae.trainable_weights) == len({id(w) for w in cvae.trainable_weights})

    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.generate(y, seed=0), cvae.generate(y, seed=0), atol=1e-5)
    start = numpy(cvae.prior.trainable_weights[0]) if cvae.prior.trainable_weights else None
    assert np.isfinite(cvae.fit([x, y], verbose=0).history["loss"]).all()
    if start is not None:
        assert not np.array_equal(numpy(cvae.prior.trainable_weights[0]), start)
    assert (cvae.optimizer is optimizer) == (not cvae.prior.trainable_weights and before == after)


@pytest.mark.once
def test_a_prior_that_cannot_be_fitted_raises_an_error():
    x = np.random.default_rng(0).random((32, 6), dtype="float32")
    for objective, prior, message in [
        ("elbo", "vamp", "`prior` must be another kind"),
        ("elbo", priors.Conditional(), "`prior` must not depend on y"),
    ]:
        cvae = keras_cvae.build_cvae((6,), None, 2, objective=objective)
        with pytest.raises(ValueError, match=message):
            cvae.fit_prior(x, prior=prior)
        assert type(cvae.prior) is priors.StandardNormal


@pytest.mark.usefixtures("uncompiled")
def test_free_bits_apply_to_a_fitted_prior_without_a_closed_form():
    x = np.random.default_rng(0).random((64, 6), dtype="float32")
    objective = objectives.FreeBits(3.0)
    cvae = keras_cvae.build_cvae((6,), None, 2, network=networks.Dense((4,)), objective=objective)
    cvae.fit_prior(x)
    cvae.compile("adam")
    history = cvae.fit(x, verbose=0).history
    (loss,), (reconstruction,), (kl,) = (history[n] for n in ("loss", "reconstruction", "kl"))
    assert kl < 2 * 3.0
    assert loss - reconstruction == pytest.approx(2 * 3.0, abs=1e-3)


@pytest.mark.slow
@pytest.mark.once
def test_the_better_prior_of_several_is_chosen(digits):
    """Encodings on a ring of each class: a flow bends to it, ten normals do not quite."""
    rng = np.random.default_rng(0)
    angle, labels = rng.uniform(0, 2 * np.pi, 2000), rng.integers(2, size=2000)
    z_mean = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (1 + labels[:, None])
    y = np.eye(2, dtype="float32")[labels]
    arrays = z_mean.astype("float32"), np.full((2000, 2), np.log(0.01), "float32"), y
    assert [*priors.to_fit("auto", conditional=True, size=2)] == ["mixture", "spline_flow"]
    assert [*priors.to_fit("auto", conditional=True, size=1)] == ["mixture"]  # no flow of one
    candidates = {
        "mixture": priors.Mixture.to_fit(conditional=True),
        "spline_flow": priors.SplineFlow(2, (16,), bins=6, conditional=True),
    }
    for prior in candidates.values():
        prior.build((None, 2), (None, 2))
    name, report = priors.fitting.best_of(candidates, Encodings(*arrays), None)
    assert report["prior"] == name == max(report["scores"], key=report["scores"].get)
    truth = -np.log(2 * np.pi * (1 + labels)).mean() + 0.5 * np.log(1 / (2 * np.pi * np.e * 0.01))
    assert all(truth - 0.5 < score < truth + 0.1 for score in report["scores"].values())


@pytest.mark.slow
@pytest.mark.once
def test_fitting_stops_when_held_out_encodings_do_not_improve():
    rng = np.random.default_rng(0)
    log_var = np.full((160, 2), np.log(0.1), "float32")
    train, other = rng.normal(size=(2, 160, 2)).astype("float32")
    prior = priors.SplineFlow(2, (8,), bins=4)
    prior.build((None, 2))
    prior.means.assign(numpy(prior.means) + 1)  # which `fit` replaces
    scores = prior.fit(Encodings(0.3 * train - 2, log_var), Encodings(other + 2, log_var))["scores"]
    best = max(scores, key=scores.get)
    assert len(scores) == best + priors.fitting.PATIENCE < priors.fitting.EPOCHS
    closer = prior.fit(Encodings(train, log_var), Encodings(other, log_var))["scores"]
    assert max(closer.values()) > max(scores.values()) + 1
