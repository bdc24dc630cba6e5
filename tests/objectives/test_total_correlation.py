"""The estimate of the total correlation by brute force, in closed form, and in a model."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

import keras_cvae
from keras_cvae import networks, objectives, terms
from keras_cvae.objectives.total_correlation import (
    TotalCorrelationLoss,
    log_of_all,
    total_correlation,
)

RNG = np.random.default_rng(0)
BATCH, LATENT = 5, 3
MEAN, LOG_VAR, Z = RNG.normal(size=(3, BATCH, LATENT)).astype("float32")


def numpy(x):
    return ops.convert_to_numpy(x)


def by_hand(mean, log_var, z, count):
    """Estimates of q(z) and of each q(z_d), example by example, in double precision."""
    mean, log_var, z = map(np.float64, (mean, log_var, z))
    batch = len(z)
    joint, of_dimensions = np.zeros(batch), np.zeros(z.shape)
    for i, j in itertools.product(range(batch), repeat=2):
        density = stats.norm(mean[j], np.exp(log_var[j] / 2)).pdf(z[i])
        weight = 1 / count if i == j else (count - 1) / count / (batch - 1)
        joint[i] += weight * density.prod()
        of_dimensions[i] += weight * density
    return joint, of_dimensions


@pytest.mark.parametrize("count", [BATCH, 8, 60_000])
def test_equals_a_computation_in_numpy(count):
    joint, of_dimensions = by_hand(MEAN, LOG_VAR, Z, count)
    ours = log_of_all(MEAN, LOG_VAR, Z, np.float32(count))
    np.testing.assert_allclose(numpy(ours[0]), np.log(joint), rtol=1e-5)
    np.testing.assert_allclose(numpy(ours[1]), np.log(of_dimensions), rtol=1e-5, atol=1e-6)
    expected = np.log(joint) - np.log(of_dimensions).sum(1)
    found = total_correlation(MEAN, LOG_VAR, Z, np.float32(count))
    np.testing.assert_allclose(numpy(found), expected, rtol=1e-4, atol=1e-5)


def test_the_estimate_over_all_batches_is_the_aggregate_posterior():
    """Of the first example, in every batch of 3 out of 5 that it can be in."""
    mixture = np.mean(
        [
            stats.norm(np.float64(m), np.exp(np.float64(lv) / 2)).pdf(np.float64(Z[0])).prod()
            for m, lv in zip(MEAN, LOG_VAR, strict=True)
        ]
    )
    found = []
    for others in itertools.combinations(range(1, BATCH), 2):
        rows = [0, *others]
        joint, _ = log_of_all(MEAN[rows], LOG_VAR[rows], Z[rows], np.float32(BATCH))
        found.append(np.exp(np.float64(numpy(joint)[0])))
    assert np.std(found) > 0.1 * mixture
    assert np.mean(found) == pytest.approx(mixture, rel=1e-5)


def test_a_normal_aggregate_posterior_has_the_closed_form():
    """q(z) = N(0, S) has the total correlation -1/2 log det R, R the correlations of S."""
    count, own, correlation = 1000, 0.05, 0.8
    total = np.float64([[1, correlation], [correlation, 1]])
    mean = RNG.multivariate_normal([0, 0], total - own * np.eye(2), count)
    z = (mean + np.sqrt(own) * RNG.normal(size=mean.shape)).astype("float32")
    log_var = np.full(mean.shape, np.log(own), "float32")
    found = numpy(total_correlation(mean.astype("float32"), log_var, z, np.float32(count)))
    expected = -0.5 * np.log(1 - correlation**2)
    assert found.mean() == pytest.approx(expected, abs=0.1)  # 0.51
    alone = numpy(total_correlation(mean[:1].astype("float32"), log_var[:1], z[:1], np.float32(9)))
    assert alone == pytest.approx(0.0, abs=1e-5)


def test_gradients_are_those_of_finite_differences(gradient, finite_differences):
    def value(*arguments):
        joint, of_dimensions = by_hand(*arguments, 9)
        return (np.log(joint) - np.log(of_dimensions).sum(1)).mean()

    ours = gradient(
        lambda *tensors: ops.mean(total_correlation(*tensors, np.float32(9))), MEAN, LOG_VAR, Z
    )
    for found, wanted in zip(ours, finite_differences(value, MEAN, LOG_VAR, Z), strict=True):
        assert found == pytest.approx(wanted, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("weights", [None, np.float32([0, 1, 2, 0.5, 3])])
@pytest.mark.parametrize("beta", [0.0, 1.0, 6.0])
def test_beta_weighs_the_total_correlation_within_the_divergence(beta, weights):
    layer = TotalCorrelationLoss(beta, dataset_size=9)
    with terms.step(weights) as step:
        layer([MEAN, LOG_VAR, Z])
    m, lv, w = np.float64(MEAN), np.float64(LOG_VAR), 1.0 if weights is None else weights
    kl = (w * 0.5 * (np.exp(lv) + m**2 - 1 - lv).sum(1)).mean()
    joint, of_dimensions = by_hand(MEAN, LOG_VAR, Z, 9)
    correlation = (w * (np.log(joint) - np.log(of_dimensions).sum(1))).mean()
    assert float(sum(map(numpy, step.losses))) == pytest.approx(
        kl + (beta - 1) * correlation, rel=1e-5
    )
    reported = {name: float(numpy(value)) for name, value in step.reported.items()}
    expected = {layer.name: kl, "total_correlation": correlation}
    assert reported == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    cvae = keras_cvae.build_cvae(
        (6,), None, 3, network=networks.Dense((8,)), objective="total_correlation"
    )
    cvae.compile(keras.optimizers.Adam(1e-2))
    return cvae


X = RNG.random((40, 6), dtype="float32")


@pytest.mark.usefixtures("uncompiled")
def test_fit_knows_how_many_examples_there_are(model, tmp_path):
    layer = model.get_layer("kl")
    assert float(numpy(layer.count)) == 0
    history = model.fit(X, validation_split=0.25, batch_size=10, verbose=0).history
    assert float(numpy(layer.count)) == 30
    assert {"total_correlation", "val_total_correlation"} <= set(history)
    bound = -np.float64(history["val_reconstruction"]) - history["val_kl"]
    np.testing.assert_allclose(history["val_elbo"], bound, rtol=1e-5)
    model.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    assert float(numpy(loaded.get_layer("kl").count)) == 30
    with pytest.raises(ValueError, match="`dataset_size` must be the number of.*stream"):
        model.fit(((X[:10],) for _ in range(3)), verbose=0)
    given = TotalCorrelationLoss(dataset_size=1000)
    given.on_fit_begin(None, None, 1)
    given.on_fit_begin(40, 5, 1)
    assert float(numpy(given.count)) == 1000


@pytest.mark.usefixtures("uncompiled")
def test_evaluation_compares_no_example_with_its_copies(model):
    """Of two examples far apart, each is at its z alone, with the weight 1/N: TC = (D - 1) log N.

    Were a copy among the others, it would be there with the weight of these.
    """
    head = model.get_layer("encoder").get_layer("z_log_var")
    before = head.get_weights()
    head.set_weights([np.zeros_like(before[0]), np.full(3, -20.0)])
    model.get_layer("kl").count.assign(1000)
    found = model.evaluate(X[:2], draws=8, batch_size=10, verbose=0, return_dict=True)
    head.set_weights(before)
    assert found["total_correlation"] == pytest.approx(2 * np.log(1000), rel=1e-3)


@pytest.mark.once
def test_invalid_arguments_raise_an_error():
    for kind in (objectives.TotalCorrelation, TotalCorrelationLoss):
        with pytest.raises(ValueError, match="`beta` must be a finite number of at least 0"):
            kind(-1.0)
        with pytest.raises(ValueError, match="`dataset_size` must be an integer of at least 1"):
            kind(dataset_size=0)
    with pytest.raises(ValueError, match=r"\[z_mean, z_log_var, z\]: TotalCorrelationLoss comp"):
        TotalCorrelationLoss()([MEAN, LOG_VAR])
    with pytest.raises(ValueError, match="`objective` TotalCorrelation must be used with one g"):
        options = {"network": "hierarchical", "objective": "total_correlation"}
        keras_cvae.build_cvae((6,), None, 4, **options)
