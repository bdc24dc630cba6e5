"""The likelihood of rows whose cells depend on each other."""

import itertools

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, networks, tables

COLUMNS = {"grade": "numeric", "site": ["n", "e", "s"], "visits": "count", "sex": ["F", "M"]}
PATTERNS = [[0.7, []], [0.3, ["site", "visits"]]]
VALUES = [0.5, 2.5, 7.0], [0, 1, 2], [0, 4], [0, 1]


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def rows(count=3000):
    rng = np.random.default_rng(0)
    x = np.stack([rng.choice(values, count) for values in VALUES], axis=1).astype("float32")
    x[rng.random(count) < 0.3, 1:3] = np.nan
    return x


@pytest.fixture(scope="module")
def likelihood():
    """Of rows with few values, and with any weights."""
    likelihood = tables.AutoregressiveColumns(
        COLUMNS, missing=PATTERNS, hidden_units=13, components=3
    )
    rng = np.random.default_rng(1)
    for weight in likelihood.trainable_weights:
        weight.assign(0.5 * rng.normal(size=weight.shape))
    layer = likelihood.standardizer()
    layer.build((None, 4))
    layer.adapt(rows())
    likelihood.standardize(*layer.learned)
    return likelihood


def test_probabilities_are_those_of_the_samples(likelihood):
    """Of every row that there may be: the network of all cells at once, and that in steps."""
    width = likelihood.parameter_shape((4,))
    parameters = np.random.default_rng(2).normal(size=(1, *width)).astype("float32")
    whole = [*itertools.product(*VALUES)]
    holed = [(a, np.nan, np.nan, d) for a in VALUES[0] for d in VALUES[3]]
    every = np.float32(whole + holed)
    log_prob = numpy(likelihood.log_prob(every, np.repeat(parameters, len(every), axis=0)))
    probability = np.exp(log_prob)
    assert probability.sum() == pytest.approx(1, abs=0.01)  # others are next to impossible
    count = 40_000
    drawn = numpy(likelihood.sample(np.repeat(parameters, count, axis=0), seed=3))
    found, expected = (np.nan_to_num(part, nan=-1) for part in (drawn, every))
    shares = [(found == row).all(1).mean() for row in expected]
    error = 5 * np.sqrt(probability * (1 - probability) / count)
    assert (np.abs(shares - probability) < error + 2e-3).all()
    again = numpy(likelihood.sample(np.repeat(parameters, 50, axis=0), seed=4))
    np.testing.assert_array_equal(
        again, numpy(likelihood.sample(np.repeat(parameters, 50, axis=0), seed=4))
    )
    mean = numpy(likelihood.mean(parameters))
    assert not np.isnan(mean).any() and likelihood.check(mean, "mean") is mean
    assert likelihood.check(drawn, "rows") is drawn


def test_gradients_are_finite_where_cells_are_missing(likelihood, gradient):
    x = np.concatenate([rows(6), np.float32([[np.nan] * 4, [1.0, 2, 3, 1]])])  # and of new values
    parameters = np.ones((8, *likelihood.parameter_shape((4,))), "float32")
    for scale in (1.0, 1e3):
        (slope,) = gradient(lambda p: keras.ops.sum(likelihood.log_prob(x, p)), scale * parameters)
        assert np.isfinite(slope).all() and (slope[:, -2:] != 0).any()


@pytest.mark.once
def test_more_columns_than_steps():
    names = {f"x{place}": "numeric" for place in range(40)}
    likelihood = tables.AutoregressiveColumns(names, hidden_units=5, components=2)
    parameters = np.zeros((3, *likelihood.parameter_shape((40,))), "float32")
    drawn = numpy(likelihood.sample(parameters, seed=0))
    assert (
        drawn.shape == (3, 40) and np.isfinite(numpy(likelihood.log_prob(drawn, parameters))).all()
    )
    with pytest.raises(ValueError, match=r"`input_shape` must be \(40,\)"):
        likelihood.parameter_shape((3,))


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_model_of_rows(tmp_path):
    """Trains, has its prior fitted, generates, and is the same in its file."""
    x = rows(180)
    likelihood = tables.AutoregressiveColumns(COLUMNS, missing=PATTERNS, hidden_units=8)
    cvae = keras_cvae.build_cvae((4,), None, 2, network=networks.Dense((8,)), likelihood=likelihood)
    cvae.compile("adam")
    history = cvae.fit(x, validation_split=0.2, epochs=2, batch_size=48, verbose=0).history
    assert history["val_elbo"][-1] > history["val_elbo"][0]
    cvae.fit_prior(x)
    cvae.save(tmp_path / "cvae.keras")
    results = []
    for model in (cvae, keras.saving.load_model(tmp_path / "cvae.keras")):
        log_p = evaluation.log_likelihood(model, x[:50], samples=5, verbose=0)
        generated = model.generate(count=50, pixels="sample", seed=0)
        results.append([log_p, generated, model.reconstruct(x[:50])])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.once
def test_a_function_of_another_column_stays_one():
    rng = np.random.default_rng(0)
    place = rng.integers(0, 12, 2000)
    x = np.stack([place, np.sqrt(place) * 3 + 1, place // 3], axis=1).astype("float32")
    columns = {"name": list("abcdefghijkl"), "number": "numeric", "group": list("pqrs")}
    likelihood = tables.AutoregressiveColumns(columns, hidden_units=64)
    cvae = keras_cvae.build_cvae(
        (3,), None, 2, network=networks.Dense((32,)), likelihood=likelihood
    )
    rate = keras.optimizers.schedules.CosineDecay(0.01, 15 * 40)  # without it, luck decides
    cvae.compile(keras.optimizers.Adam(rate))
    cvae.fit(x, epochs=15, batch_size=50, verbose=0)
    drawn = cvae.generate(count=2000, pixels="sample", seed=0)
    assert np.isin(drawn[:, 1], x[:, 1]).mean() > 0.99
    assert np.isclose(drawn[:, 1], np.sqrt(drawn[:, 0]) * 3 + 1).mean() > 0.99
    assert (drawn[:, 2] == drawn[:, 0] // 3).mean() > 0.99
