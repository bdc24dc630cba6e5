"""Data of any scale."""

import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.datasets import load_wine

import keras_cvae
from keras_cvae import evaluation, likelihoods, networks, standardize


def build(width, **options):
    cvae = keras_cvae.build_cvae((width,), 3, 4, network=networks.Dense((32,)), **options)
    cvae.compile(keras.optimizers.Adam(1e-2))
    return cvae


@pytest.mark.slow
@pytest.mark.once
def test_raw_columns_are_learned_and_sampled_in_their_units(tmp_path):
    x, y = load_wine(return_X_y=True)
    cvae = build(13, likelihood="gaussian")
    history = cvae.fit([x, y], epochs=60, verbose=0).history
    assert np.isfinite(history["loss"]).all() and history["elbo"][-1] > history["elbo"][0] + 5
    cvae.fit_prior([x, y])
    drawn = cvae.generate(np.repeat([0, 1, 2], 200), seed=0, pixels="sample")
    for label in range(3):
        rows = drawn[200 * label : 200 * (label + 1)]
        real = x[y == label]
        assert (np.abs(rows.mean(0) - real.mean(0)) / x.std(0)).max() < 0.5
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    np.testing.assert_allclose(loaded.reconstruct(x, y), cvae.reconstruct(x, y), rtol=1e-4)


def test_the_density_is_that_of_the_data_in_its_units():
    """Of a thousand times the numbers it is less by log 1000 a column."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, 5)).astype("float32"), np.arange(64) % 3
    found = []
    for scale in (1.0, 1000.0):
        keras.utils.set_random_seed(0)
        cvae = build(5, likelihood=likelihoods.Gaussian(0.5))
        layer = cvae.get_layer("standardize")
        layer.location.assign(np.full(5, 3.0 * scale))
        layer.scale.assign(np.full(5, scale))
        layer.adapted.assign(1.0)
        cvae.likelihood.standardize(np.full(5, 3.0 * scale), np.full(5, scale))
        given = scale * (x + 3)
        found.append(evaluation.log_likelihood(cvae, given, y, samples=3, verbose=0))
    np.testing.assert_allclose(found[0] - found[1], 5 * np.log(1000.0), rtol=1e-3)


UNLIKE = np.geomspace(1e-3, 1, 6)
ROWS = {
    "unlike scales": lambda z: UNLIKE * z,
    "far from 0": lambda z: 5 + 0.1 * z,
    "far above 10": lambda z: 1000 * z,
    "between 0 and 1": lambda z: UNLIKE * (z - z.min(0)) / np.ptp(z, axis=0),
    "one constant": lambda z: np.where(np.arange(6) == 2, 7.0, z),
}


@pytest.mark.parametrize("kind", ROWS)
def test_columns_are_standardized_and_the_density_is_that_of_the_data(kind):
    rng = np.random.default_rng(0)
    x = ROWS[kind](rng.normal(size=(100, 6))).astype("float32")
    gaussian, layer = likelihoods.Gaussian(0.3), standardize.Standardize()
    gaussian.build((None, 6))
    seen = keras.ops.convert_to_numpy(layer(x))
    np.testing.assert_array_equal(seen, x)
    layer.adapt(x)
    seen = keras.ops.convert_to_numpy(layer(x))
    constant = x.std(0) == 0
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(seen.std(0), ~constant, atol=1e-4)
    location, scale = (keras.ops.convert_to_numpy(w).astype("float64") for w in layer.learned)
    gaussian.standardize(location, scale)
    mean = rng.normal(size=(100, 6)).astype("float32")
    ours = keras.ops.convert_to_numpy(gaussian.log_prob(x, mean))
    expected = stats.norm.logpdf(x, location + scale * mean, np.sqrt(0.3) * scale).sum(1)
    np.testing.assert_allclose(ours, expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(40, 3), (5, 8, 3)])
def test_series_and_images_with_channels_of_different_scales(shape):
    layer, unlike = standardize.Standardize(), [1.0, 1e-3, 0.2]
    x = (5 + np.random.default_rng(0).normal(size=(50, *shape)) * unlike).astype("float32")
    layer(x)
    layer.adapt(x)
    seen = keras.ops.convert_to_numpy(layer(x)).reshape(-1, 3)
    np.testing.assert_allclose(seen.mean(0), 0, atol=1e-2)
    np.testing.assert_allclose(seen.std(0), 1, atol=1e-2)


LEVELS = np.random.default_rng(0).integers(0, 17, (300, 20)) / 16


@pytest.mark.once
@pytest.mark.parametrize("pixels", [LEVELS, (LEVELS * 255).astype("uint8"), LEVELS > 0.5])
def test_flattened_images_are_not_standardized_by_column(pixels):
    assert not standardize.Standardize().needs_scaling(pixels)
    assert standardize.Standardize().needs_scaling(4 * LEVELS)


@pytest.mark.once
def test_images_of_about_unit_scale_are_not_standardized():
    layer = standardize.Standardize()
    x = np.random.default_rng(0).random((20, 4, 4, 2), dtype="float32")
    layer(x)
    layer.adapt(x)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x)), x)
    assert layer.is_adapted and not layer.needs_scaling(x) and layer.needs_scaling(255 * x)
    layer.adapt(255 * x)
    found = keras.ops.convert_to_numpy(layer(255 * x))
    np.testing.assert_allclose(found.mean((0, 1, 2)), 0, atol=1e-5)
    np.testing.assert_allclose(found.std((0, 1, 2)), 1, atol=1e-5)


@pytest.mark.usefixtures("uncompiled")
def test_the_first_batches_of_a_stream_are_adapted_to():
    x, y = load_wine(return_X_y=True)
    cvae = build(13, likelihood="gaussian")
    history = cvae.fit(((x, y) for _ in range(2)), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    location = keras.ops.convert_to_numpy(cvae.likelihood.location)
    np.testing.assert_allclose(location, x.mean(0), rtol=1e-5)
    again = build(13, likelihood="gaussian")
    for given in (iter([(x[:90], y[:90]), (x[90:], y[90:])]), x):
        again.adapt(given)
        location = keras.ops.convert_to_numpy(again.likelihood.location)
        np.testing.assert_allclose(location, x.mean(0), rtol=1e-5)
    with pytest.raises(ValueError, match="numbers of any scale.*Bernoulli"):
        build(13).adapt(x)
