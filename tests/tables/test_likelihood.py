"""The likelihood of a table with columns of several kinds and missing cells."""

import json

import keras
import numpy as np
import pytest
from scipy import interpolate, special, stats

import keras_cvae
from keras_cvae import evaluation, tables

COLUMNS = {
    "visits": "count",
    "sex": ["F", "M"],
    "height": "numeric",
    "site": ["north", "east", "south"],
    "age": "numeric",
    "smokes": ["no", "yes"],
}
NAN = np.nan


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def table(count=400, seed=0, holes=0.2):
    """Rows whose cells depend on one hidden number; a fifth of them is missing."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=count)
    x = np.stack(
        [
            rng.poisson(np.exp(1 + 0.5 * z)),
            z + 0.3 * rng.normal(size=count) > 0,
            170 + 8 * z + 2 * rng.normal(size=count),
            np.digitize(z + 0.5 * rng.normal(size=count), [-0.5, 0.5]),
            rng.gamma(4, 10, size=count),
            rng.random(count) < 0.3,
        ],
        axis=1,
    ).astype("float32")
    x[rng.random(x.shape) < holes] = NAN
    return x


@pytest.fixture(scope="module")
def columns():
    """The likelihood with what is learned of a table, and parameters for five rows."""
    likelihood = tables.Columns(COLUMNS)
    layer = likelihood.standardizer()
    layer.build((None, 6))
    layer.adapt(table())
    likelihood.standardize(*map(numpy, layer.learned))
    parameters = np.random.default_rng(1).normal(size=(5, *likelihood.parameter_shape((6,))))
    return likelihood, layer, parameters.astype("float32")


X = np.float32(
    [
        [3, 1, 180, 2, 40, 0],
        [0, 0, 165.5, 0, 21, 1],
        [NAN, NAN, 190, 1, NAN, 1],
        [250, 1, NAN, NAN, 90, NAN],
        [NAN] * 6,
    ]
)


def log_probs(x, parameters, layer):
    """Of each cell by scipy, NaN where one is missing."""
    location, scale = numpy(layer.location).astype("float64"), numpy(layer.scale)
    p = parameters.astype("float64")
    found = np.full(x.shape, NAN)
    for i, column in enumerate((2, 4)):
        variance = np.exp(p[:, 2 + i]) * 0.1 + 1e-4
        scores, _, cells, *_ = numpy(layer.knots).astype("float64")[:, column]
        line = interpolate.make_interp_spline(cells, scores, k=1)
        unit = (x[:, column] - location[column]) / scale[column]
        found[:, column] = stats.norm.logpdf(line(unit), p[:, i], variance**0.5)
        found[:, column] += np.log(line(unit, 1) / scale[column])
    mean, r = np.exp(p[:, 4]) * np.expm1(location[0]), np.exp(p[:, 5])
    found[:, 0] = stats.nbinom.logpmf(x[:, 0], r, r / (r + mean))
    for column, logits in (1, p[:, 6:8]), (5, p[:, 8:10]), (3, p[:, 10:]):
        known = ~np.isnan(x[:, column])
        rows = np.flatnonzero(known)
        found[rows, column] = special.log_softmax(logits, 1)[rows, x[rows, column].astype(int)]
    return found


def test_log_prob_is_that_of_the_known_cells(columns):
    likelihood, layer, parameters = columns
    expected = log_probs(X, parameters, layer)
    assert np.isfinite(expected[:2]).all()
    ours = numpy(likelihood.log_prob(X, parameters))
    np.testing.assert_allclose(ours, np.nansum(expected, axis=1), rtol=2e-5)
    assert ours[4] == 0


def test_a_missing_cell_is_summed_out(columns):
    """What is left is the marginal: the sum over what the cell may be."""
    likelihood, _, parameters = columns
    for column, values in (3, [0, 1, 2]), (0, range(2000)):
        rows = np.repeat(X[:1], len(values), axis=0)
        rows[:, column] = values
        joint = numpy(likelihood.log_prob(rows, np.repeat(parameters[:1], len(values), axis=0)))
        hole = X[:1].copy()
        hole[0, column] = NAN
        marginal = numpy(likelihood.log_prob(hole, parameters[:1]))
        np.testing.assert_allclose(special.logsumexp(joint), marginal[0], rtol=1e-4)


def test_gradients_are_finite_and_missing_cells_have_none(columns, gradient):
    likelihood, _, parameters = columns
    for scale in (1.0, 1e4):
        (slope,) = gradient(
            lambda p: keras.ops.sum(likelihood.log_prob(X, p)),
            scale * parameters,
        )
        assert np.isfinite(slope).all() and (slope[4] == 0).all()
        missing = [0, 2, *range(8, 13)]
        assert (slope[3, missing] == 0).all()
        assert scale > 1 or (np.delete(slope[3], missing) != 0).all()


def test_samples_and_means(columns):
    likelihood, layer, parameters = columns
    rows = np.repeat(parameters[:1], 20000, axis=0)
    drawn = numpy(likelihood.sample(rows, seed=3))
    np.testing.assert_array_equal(drawn, numpy(likelihood.sample(rows, seed=3)))
    assert (drawn != numpy(likelihood.sample(rows, seed=keras.random.SeedGenerator(3)))).any()
    mean = numpy(likelihood.mean(parameters))[0]
    error = 5 * drawn.std(0) / np.sqrt(len(drawn))
    assert abs(drawn[:, 0].mean() - mean[0]) < error[0]
    assert (np.abs(np.median(drawn, 0) - mean)[[2, 4]] < error[[2, 4]]).all()
    for column, logits in (1, parameters[0, 6:8]), (3, parameters[0, 10:]):
        shares = np.bincount(drawn[:, column].astype(int), minlength=len(logits)) / len(drawn)
        np.testing.assert_allclose(shares, special.softmax(logits), atol=0.02)
        assert mean[column] == logits.argmax()
    scores = numpy(layer(drawn))[:, :2]  # of the numbers
    variances = np.exp(parameters[0, 2:4]) * 0.1 + 1e-4
    np.testing.assert_allclose(scores.var(0), variances, rtol=0.05)
    off_diagonal = np.corrcoef(drawn.T)[np.triu_indices(6, 1)]
    assert np.abs(off_diagonal).max() < 0.05  # independent, whatever their kinds


def test_the_input_of_the_encoder(columns):
    _, layer, _ = columns
    x = table()
    seen = numpy(layer(x))
    known = ~np.isnan(x)
    assert seen.shape == (400, 4 + 2 + 7) and np.isfinite(seen).all()
    for place, column in enumerate((2, 4)):
        scores = seen[known[:, column], place]
        assert stats.kstest(scores, "norm").statistic < 0.05 and np.abs(scores).max() < 4
        assert stats.spearmanr(scores, x[known[:, column], column]).statistic > 0.9999
        np.testing.assert_array_equal(seen[:, 2 + place], ~known[:, column])
    assert (seen[:, 0][~known[:, 2]] == 0).all() and (seen[:, 4][~known[:, 0]] == 0).all()
    logs = np.log1p(x[known[:, 0], 0])
    expected = (logs - logs.mean()) / logs.std()
    np.testing.assert_allclose(seen[known[:, 0], 4], expected, atol=1e-4)
    np.testing.assert_array_equal(seen[:, 6:8].sum(1), known[:, 1])
    np.testing.assert_array_equal(seen[:, 10:].argmax(1)[known[:, 3]], x[known[:, 3], 3])


@pytest.mark.once
def test_config_round_trip():
    """The order of the columns and the description of the table are kept."""
    ours = tables.Columns(COLUMNS, table={"rows": [1, None]}, name="mine")
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(ours)))
    again = keras.saving.deserialize_keras_object(config)
    assert again.get_config() == ours.get_config()
    assert list(again.columns) == list(COLUMNS) and again.table == {"rows": [1, None]}


@pytest.mark.once
@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (["numeric"], "`columns` must be a dict of the names.*Received: list"),
        ({}, r"at least one. Received: \[\]"),
        (
            {"age": "numerical"},
            r"`columns` must give column 'age' one of.*mean 'numeric'. Received: 'numerical'",
        ),
        ({"sex": []}, r"one or more different strings. Received: \[\]"),
        ({"sex": ["F", "F"]}, "one or more different strings"),
        ({"sex": [0, 1]}, "one or more different strings"),
    ],
)
def test_invalid_descriptions_raise_an_error(wrong, expected):
    with pytest.raises(ValueError, match=expected):
        tables.Columns(wrong)


@pytest.mark.once
@pytest.mark.parametrize(
    ("column", "value", "expected"),
    [
        (0, -1, "`x` must contain counts.*or NaN, in column 'visits'.*from -1"),
        (0, 1.5, "must contain counts.*in column 'visits'"),
        (1, 2, "indices of its categories, 0 to 1, or NaN, in column 'sex'.*to 2"),
        (2, np.inf, "must contain numbers in the range of float32, or NaN, in column 'height'"),
    ],
)
def test_invalid_cells_raise_an_error(column, value, expected):
    x = table(8)
    x[3, column] = value
    cvae = keras_cvae.build_cvae((6,), None, 2, likelihood=tables.Columns(COLUMNS))
    with pytest.raises(ValueError, match=expected):
        cvae.encode(x)


@pytest.mark.once
def test_tables_of_another_shape_raise_an_error():
    with pytest.raises(ValueError, match=r"`input_shape` must be \(6,\), as many numbers"):
        keras_cvae.build_cvae((5,), None, 2, likelihood=tables.Columns(COLUMNS))
    cvae = keras_cvae.build_cvae((6,), None, 2, likelihood=tables.Columns(COLUMNS))
    with pytest.raises(ValueError, match="not divided by 255.*Received: dtype uint8"):
        cvae.encode(np.ones((3, 6), "uint8"))
    assert cvae.encode(np.ones((3, 6), "int64"))[0].shape == (3, 2)


@pytest.fixture(scope="module")
def trained():
    """A model of the table and of a label that goes with it, NaN and all."""
    x = table()
    y = (np.nan_to_num(x[:, 2], nan=170) > 172).astype("int32")
    cvae = keras_cvae.build_cvae(
        (6,),
        2,
        2,
        network=keras_cvae.networks.Dense((16,)),
        likelihood=tables.Columns(COLUMNS),
    )
    cvae.compile(keras.optimizers.Adam(0.01))
    history = cvae.fit([x, y], validation_split=0.2, epochs=5, batch_size=80, verbose=0).history
    return cvae, x, y, history


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_model_of_a_table_with_missing_cells(trained, tmp_path):
    cvae, x, y, history = trained
    assert np.isfinite(list(history.values())).all()
    assert history["loss"][-1] < history["loss"][0]
    cvae.fit_prior([x, y])
    cvae.save(tmp_path / "cvae.keras")
    loaded = keras.saving.load_model(tmp_path / "cvae.keras")
    results = []
    for model in (cvae, loaded):
        found = model.evaluate([x, y], return_dict=True, verbose=0)
        log_p = evaluation.log_likelihood(model, x, y, samples=20, verbose=0)
        rows = model.generate(y, pixels="sample", seed=0)
        results.append([log_p, rows, model.reconstruct(x, y), *model.encode(x, y), found["elbo"]])
    for ours, theirs in zip(*results, strict=True):
        assert np.isfinite(ours).all()
        np.testing.assert_allclose(theirs, ours, rtol=1e-4, atol=1e-4)
    log_p, rows, *_, elbo = results[0]
    assert log_p.mean() > elbo
    assert cvae.likelihood.check(rows, "rows") is rows  # cells are what their columns are of
    assert rows[y == 1, 2].mean() > rows[y == 0, 2].mean() + 3


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.usefixtures("uncompiled")
def test_a_stream_of_rows_with_missing_cells(trained):
    _, x, y, _ = trained
    cvae = keras_cvae.build_cvae((6,), 2, 2, likelihood=tables.Columns(COLUMNS), prior="vamp")
    cvae.compile("adam")

    def batches():
        for start in range(0, 400, 50):
            yield x[start : start + 50], y[start : start + 50]

    history = cvae.fit(batches(), verbose=0).history
    assert np.isfinite(list(history.values())).all()


def test_missing_cells_come_in_patterns_and_have_a_probability():
    """Against the mixture in NumPy, beside the same likelihood without missing cells."""
    columns = {"a": "numeric", "b": ["x"], "c": ["u", "v"]}
    patterns = [[0.9, []], [0.06, ["b", "c"]], [0.04, ["c"]]]
    plain, holed = tables.Columns(columns), tables.Columns(columns, missing=patterns)
    width = plain.parameter_shape((3,))[0]
    assert holed.parameter_shape((3,)) == (width + 3,)
    own = np.random.default_rng(0).normal(size=(1, width)).astype("float32")
    logits = np.float32([[0.5, 2.0, -1.0]])
    shares = special.softmax(logits[0] + np.log([0.9, 0.06, 0.04]))
    parameters = np.concatenate([own, logits], axis=1)
    holes = np.array([[0, 0, 0], [0, 1, 1], [0, 0, 1], [0, 1, 0]], bool)  # the last in no pattern
    x = np.where(holes, np.nan, np.float32([[0.3, 0.0, 1.0]])).astype("float32")
    found, expected = (
        keras.ops.convert_to_numpy(likelihood.log_prob(x, np.repeat(values, 4, axis=0)))
        for likelihood, values in ((holed, parameters), (plain, own))
    )
    cells = np.where(holes[:, None, 1:] == holes[None, :3, 1:], 1 - 1e-4, 1e-4).prod(2)
    np.testing.assert_allclose(found - expected, np.log(cells @ shares), rtol=1e-3)
    many = np.repeat(parameters, 20_000, axis=0)
    drawn = np.isnan(keras.ops.convert_to_numpy(holed.sample(many, seed=0)))
    rates = [(drawn == pattern).all(1).mean() for pattern in holes]
    np.testing.assert_allclose(rates, [*shares, 0.0], atol=0.01)
    assert not np.isnan(keras.ops.convert_to_numpy(holed.mean(parameters))).any()
    assert tables.Columns.from_config(holed.get_config()).missing == patterns
    with pytest.raises(ValueError, match="`missing` must be one of 'a', 'b', 'c'"):
        tables.Columns(columns, missing=[[0.5, ["d"]]])
