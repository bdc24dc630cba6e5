"""What every kind of column must obey: the cases are made from `columns.NAMES`."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from keras_cvae.tables import StandardizeColumns, columns

COUNT = 60
RNG = np.random.default_rng(0)
EXAMPLES = {
    "date": pd.Series(pd.date_range("2026-01-01", periods=COUNT)).sample(frac=1, random_state=0),
    "month_first": pd.Series(pd.date_range("2026-01-01", periods=COUNT)).dt.strftime("%m/%d/%Y"),
    "duration": pd.Series(pd.to_timedelta(RNG.integers(0, 9999, COUNT), unit="s")),
    "amount": pd.Series(RNG.normal(3000, 900, COUNT)).map("${:,.2f}".format),
    "count": pd.Series([0, *RNG.negative_binomial(1, 0.1, COUNT - 1)]),
    "numeric": pd.Series(RNG.normal(5, 2, COUNT).round(2)),
    "categorical": pd.Series(RNG.choice(["x", "y", "z"], COUNT)),
}
every_kind = pytest.mark.parametrize("kind", columns.NAMES)


def example(kind, holes=()):
    series = EXAMPLES[kind].reset_index(drop=True).rename("it")
    return series.mask(series.index.isin(holes))


@every_kind
def test_the_kind_is_decided_by_the_cells(kind):
    column = columns.decide(example(kind), kind)
    assert type(column) is columns.NAMES[kind] and column.kind == kind
    if kind != "month_first":  # which only a user can know
        assert columns.decide(example(kind)) == column


@every_kind
def test_cells_are_read_and_written_unchanged(kind):
    series = example(kind, holes=[3, 5])
    column = columns.decide(example(kind), kind)
    cells = column.read(series)
    assert cells.dtype == "float32" and np.flatnonzero(np.isnan(cells)).tolist() == [3, 5]
    back = pd.Series(column.write(cells))
    pd.testing.assert_series_equal(back, series, check_names=False, check_dtype=False)
    inputs = column.to_input(cells)
    np.testing.assert_array_equal(column.from_input(inputs), cells)
    assert column.check(cells[~np.isnan(cells)]) is None and column.check(np.array([np.inf]))


@every_kind
def test_the_config_is_json(kind):
    column = columns.decide(example(kind), kind)
    config = json.loads(json.dumps(column.as_config()))
    assert columns.from_config(config) == column
    modelled = columns.from_spec("it", column.spec)
    assert (modelled.model, modelled.size) == (column.model, column.size)


@every_kind
def test_tensors_of_two_columns_side_by_side(kind):
    column = columns.decide(example(kind), kind)
    cells = column.read(example(kind, holes=[3]))
    x = np.stack([cells, cells[::-1]], axis=1)
    layer = StandardizeColumns({"one": column.spec, "two": column.spec})
    layer.build((None, 2))
    layer.adapt(x)
    learned = [keras.ops.convert_to_tensor(part, "float32") for part in layer.learned]
    learned = columns.Learned(*learned)
    assert layer(x).shape == (COUNT, 2 * column.encoded_size)
    parameters = RNG.normal(size=(COUNT, 2 * column.size)).astype("float32")
    x, known, parameters = map(keras.ops.convert_to_tensor, (x, ~np.isnan(x), parameters))
    log_prob = column.log_prob(x, known, parameters, learned)
    assert log_prob.shape == x.shape
    assert np.isfinite(keras.ops.convert_to_numpy(log_prob)).all()
    assert column.mean(parameters, learned).shape == x.shape
    made = keras.ops.convert_to_numpy(column.sample(parameters, learned, 0))
    assert made.shape == x.shape and column.check(made) is None


def test_descriptions_of_older_files():
    found = [
        columns.from_config(config)
        for config in [
            {"class": "Numbers", "name": "a", "kind": "numeric", "dtype": "float64"},
            {"class": "Numbers", "name": "b", "kind": "count", "dtype": "int64"},
            {"class": "Categories", "name": "c", "dtype": "str", "categories": ["u", "v"]},
            {"class": "Constant", "name": "d", "dtype": "str", "value": "u"},
        ]
    ]
    kinds = [columns.Numeric, columns.Count, columns.Categorical, columns.Constant]
    assert [type(column) for column in found] == kinds
