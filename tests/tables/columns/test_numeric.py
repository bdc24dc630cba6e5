"""Columns of numbers."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_cvae import tables

COUNT = 60


@pytest.mark.once
@pytest.mark.parametrize("low", [20190103, 9_007_199_000_000_000, -30_000_000])
def test_large_whole_numbers_come_back_unchanged(low):
    numbers = low + np.random.default_rng(0).integers(0, 10_000, COUNT)
    rows = pd.DataFrame({"account": numbers, "x": np.random.default_rng(1).normal(size=COUNT)})
    described = tables.Table.of(rows, ["account"])
    described = tables.Table.from_config(json.loads(json.dumps(described.as_config())))
    cells = described.condition_cells(rows)
    x, _ = described.arrays(rows)
    assert described.frame(x, cells)["account"].tolist() == numbers.tolist()
    assert described.parse(f"account={numbers[3]}")["account"] == cells["account"][3]
