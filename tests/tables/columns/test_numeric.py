"""Columns of numbers."""

import json

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

from keras_cvae import tables
from keras_cvae.tables import columns

COUNT = 60


NOISE = np.random.default_rng(2).uniform(-0.5, 0.5, COUNT)


@pytest.mark.once
@pytest.mark.parametrize("low", [20190103, 9_007_199_000_000_000, -30_000_000])
def test_large_integers_are_unchanged(low):
    numbers = low + np.random.default_rng(0).integers(0, 10_000, COUNT)
    rows = pd.DataFrame({"account": numbers, "x": np.random.default_rng(1).normal(size=COUNT)})
    described = tables.Table.of(rows, ["account"])
    described = tables.Table.from_config(json.loads(json.dumps(described.as_config())))
    cells = described.condition_cells(rows)
    x, _ = described.arrays(rows)
    assert described.frame(x, cells)["account"].tolist() == numbers.tolist()
    assert described.parse(f"account={numbers[3]}")["account"][0] == cells["account"][3]


@pytest.mark.once
@pytest.mark.parametrize("numbers", [1.6e9 + np.arange(0, 600, 10), 1e6 + NOISE, NOISE - 1e8])
def test_numbers_far_from_zero_keep_their_digits(numbers):
    rows = pd.DataFrame({"it": numbers, "x": range(1, 2 * COUNT, 2)})
    table = tables.Table.of(rows)
    table = tables.Table.from_config(json.loads(json.dumps(table.as_config())))
    back = table.frame(table.arrays(rows)[0])["it"]
    np.testing.assert_allclose(back, numbers, rtol=0, atol=1e-4)


def sample_column(series, count=20_000, rows=None):
    """Cells that the model of a column alone samples, as they are written."""
    column = columns.decide(series)
    assert column.kind == "numeric"
    column = columns.from_config(json.loads(json.dumps(column.as_config())))
    likelihood = tables.Columns({"it": "numeric"})
    layer = likelihood.standardizer()
    layer.build((None, 1))
    layer.adapt(column.read(series[:rows])[:, None])
    likelihood.standardize(*layer.learned)
    wide = np.log(10.0)  # of the log-variance of scores, which is 1 then
    parameters = np.tile(np.float32([[0.0, wide]]), (count, 1))
    cells = keras.ops.convert_to_numpy(likelihood.sample(parameters, seed=1))[:, 0]
    return column.write(column.round_samples(cells))


def heaped_numbers(kind, count=5000):
    rng = np.random.default_rng(0)
    size = np.round(rng.gamma(3, 60, count))
    income = rng.lognormal(10.5, 0.5, count)
    clock = (rng.normal(14 * 60, 250, count) % 1440).astype(int)
    return {
        "98% whole": np.where(rng.random(count) < 0.02, (size + rng.random(count)).round(2), size),
        "98% whole, none twice": rng.permutation(10 * count)[:count] + (np.arange(count) < 100) / 4,
        "hours and minutes": clock // 60 * 100 + clock % 60,
        "quarters of an hour": np.where(
            rng.random(count) < 0.5, rng.choice([0, 15, 30, 45], count), rng.integers(0, 60, count)
        ),
        "thousands": np.where(rng.random(count) < 0.6, income.round(-3), income.round()),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "holds"),
    [
        ("98% whole", lambda x: x % 1 == 0),
        ("98% whole, none twice", lambda x: x % 1 == 0),
        ("hours and minutes", lambda x: x % 100 > 59),
        ("quarters of an hour", lambda x: x % 15 == 0),
        ("thousands", lambda x: x % 1000 == 0),
    ],
)
def test_heaped_numbers_are_sampled_at_their_rates(kind, holds):
    series = pd.Series(heaped_numbers(kind), name="it")
    made = sample_column(series)
    assert abs(holds(made).mean() - holds(series).mean()) < 0.02
    assert stats.ks_2samp(made, series).statistic < 0.03


def test_a_number_that_occurs_once_is_not_copied():
    series = pd.Series(np.random.default_rng(0).lognormal(size=2000).round(4), name="it")
    made = sample_column(series, 200_000)
    assert (made == series.min()).sum() + (made == series.max()).sum() < 5  # by chance
    assert made.min() >= series.min() and made.max() <= series.max()
    column = columns.decide(series)
    far = column.write(column.round_samples(np.float32([-1e6, 1e6])))
    assert series.min() < far[0] < series.median() < far[1] < series.max()


def test_heaped_or_truncated_integers_are_not_counts():
    rng = np.random.default_rng(0)
    numbers = {
        "count": rng.negative_binomial(2, 0.2, 500),
        "minutes": rng.integers(0, 60, 500),
        "tens": 10 * (rng.geometric(0.2, 500) - 1),
    }
    kinds = {name: columns.decide(pd.Series(n, name="it")).kind for name, n in numbers.items()}
    assert kinds == {"count": "count", "minutes": "numeric", "tens": "numeric"}
    assert columns.decide(pd.Series(numbers["minutes"], name="it"), "count").kind == "count"


def test_rates_of_a_few_values_that_the_model_learns_from_a_part_of_the_rows():
    fives = pd.Series(np.random.default_rng(0).choice(range(0, 60, 5), 5000), name="it")
    made = sample_column(fives, rows=3600)
    for value in range(0, 60, 5):
        assert abs((made == value).mean() - (fives == value).mean()) < 0.03


def test_repeated_values_between_round_ones_are_kept():
    rng = np.random.default_rng(0)
    hours = rng.choice([30, 40, 50, *range(31, 60)], 5000)
    hours[:40] = 100 * np.arange(40) + 1000  # once each, and round
    column = columns.decide(pd.Series(hours, name="it"))
    np.testing.assert_array_equal(column.round_samples(np.float32(hours[40:])), hours[40:])
