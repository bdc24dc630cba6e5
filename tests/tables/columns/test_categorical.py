"""Columns of categories."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_cvae import tables
from keras_cvae.tables import columns


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_the_most_frequent_of_many_categories_and_a_rest(kind):
    rng = np.random.default_rng(0)
    numbers = np.minimum(rng.geometric(0.004, 20_000), 3000)
    cells = pd.Series(numbers, name="tail")
    cells = cells.map("N{}".format) if kind == "texts" else cells
    cells[5] = None
    with pytest.warns(UserWarning, match="'tail' keeps its 200 most.*others become 'other'"):
        column = columns.decide(cells, None if kind == "texts" else "categorical")
    column = columns.from_config(json.loads(json.dumps(column.as_config())))
    assert column.levels == 201 and column.names[-1] == "other"
    read = column.read(cells)
    back = pd.Series(column.write(read))
    frequent = cells.isin(cells.value_counts().index[:200])
    assert (back == cells)[frequent].all() and back.isna().tolist() == cells.isna().tolist()
    assert set(back[~frequent].dropna()) == {"other"} and 0.3 < (back == "other").mean() < 0.6
    assert column.parse("other") == 200
    unseen = pd.Series(["never seen"], name="tail")
    assert column.read(unseen) == 200


@pytest.mark.once
def test_numbers_as_categories_of_pandas():
    rows = pd.DataFrame({"it": pd.Series([3, 1, 2.0] * 20).astype("category"), "x": range(60)})
    table = tables.Table.of(rows.assign(x=rows["x"] % 17 / 7))
    table = tables.Table.from_config(json.loads(json.dumps(table.as_config())))
    back = table.frame(table.arrays(rows)[0])["it"]
    assert table.columns[0].kind == "categorical" and back.dtype == "category"
    assert back.tolist() == rows["it"].tolist()
