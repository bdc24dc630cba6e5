"""Requests for rows, and the conditions that are sampled for them."""

import numpy as np
import pandas as pd
import pytest

from keras_cvae.tables import columns, selection

AGE, SEX = columns.Numeric("age"), columns.Categorical("sex", "str", ["F", "M"])
SITE = columns.Categorical("site", "str", [f"s{place}" for place in range(9)])
ALL = [AGE, SEX, SITE]


@pytest.mark.once
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" sex=F, age = 30..40 ", [("sex", "F"), ("age", "30..40")]),
        ('"a,b=c"=1,x="y, z"', [("a,b=c", "1"), ("x", "y, z")]),
        ('"say ""hi"""=a=b', [('say "hi"', "a=b")]),
        ('"town=Bath, Somerset",sex=F', [("town", "Bath, Somerset"), ("sex", "F")]),
    ],
)
def test_names_and_values(text, expected):
    assert selection.split(text) == expected


@pytest.mark.once
@pytest.mark.parametrize("text", ["sex", "sex=F,age", '"sex=F', "sex=F,,age=3", 'a="b"c'])
def test_invalid_requests_raise_an_error(text):
    with pytest.raises(ValueError, match="names and values, as sex=F,age=30..40"):
        selection.split(text)


def make_conditions(count=2000):
    rng = np.random.default_rng(0)
    cells = {
        "age": rng.integers(18, 80, count),
        "sex": rng.integers(0, 2, count),
        "site": rng.integers(0, 8, count),
    }
    cells["site"][7] = 8  # the only row of this site
    return {name: values.astype("float32") for name, values in cells.items()}


def chosen(asked, count=2000):
    return selection.conditions_like(make_conditions(), ALL, asked, count, seed=0)


@pytest.mark.once
def test_open_conditions_come_from_matching_rows():
    cells = chosen({"sex": (1.0, 1.0), "age": (30.0, 34.0)})
    assert [*cells] == ["age", "sex", "site"] and (cells["sex"] == 1).all()
    assert {*cells["age"]} == {30.0, 31.0, 32.0, 33.0, 34.0} and len({*cells["site"]}) >= 8
    everything = chosen({})
    pairs = [{*zip(c["age"], c["site"], strict=True)} for c in (everything, make_conditions())]
    assert pairs[0] <= pairs[1] and len(pairs[0]) > 300


@pytest.mark.once
def test_open_conditions_are_missing_as_often_as_in_matching_rows():
    cells = make_conditions()
    is_missing = (cells["sex"] == 1) & (np.arange(2000) % 4 == 0)
    cells["age"][is_missing] = np.nan
    expected = is_missing[cells["sex"] == 1].mean()
    for sex, share in (1.0, expected), (0.0, 0.0):
        made = selection.conditions_like(cells, ALL, {"sex": (sex, sex)}, 2000, seed=0)
        assert np.isnan(made["age"]).mean() == pytest.approx(share, abs=0.04)


@pytest.mark.once
def test_a_rare_combination_does_not_repeat_one_training_row():
    with pytest.warns(UserWarning, match="Only 1 training row matches.*from the nearest rows too"):
        cells = chosen({"site": (8.0, 8.0)})
    assert (cells["site"] == 8).all() and len({*cells["age"]}) > 20
    share = (cells["age"] == make_conditions()["age"][7]).mean()
    assert 0.05 < share < 0.3  # 1 of 11, and others of that age
    other = float(1 - make_conditions()["sex"][7])
    with pytest.warns(UserWarning, match="No training row matches"):
        cells = chosen({"site": (8.0, 8.0), "sex": (other, other)})
    assert (cells["sex"] == other).all() and len({*cells["age"]}) > 20


@pytest.mark.once
def test_a_number_takes_the_rows_nearest_to_it():
    cells = chosen({"age": (79.5, 79.5)})
    assert (cells["age"] == 79.5).all() and len({*cells["site"]}) > 5


@pytest.mark.once
def test_rows_that_match():
    cells = {"a": np.float32([1, 2, 3, np.nan]), "b": np.float32([0, 1, 1, 1])}
    found = selection.matches(cells, {"a": (1.5, 3.0), "b": (1.0, 1.0)})
    assert found.tolist() == [False, True, True, False]


@pytest.mark.once
def test_rows_are_generated_until_enough_match(monkeypatch):
    def generate(count, seed):
        return pd.DataFrame({"age": np.random.default_rng(seed).random(count)})

    rows, generated = selection.generate_until(generate, lambda rows: rows["age"] < 0.1, 150, 0)
    assert len(rows) == 150 and rows["age"].is_unique and (rows["age"] < 0.1).all()
    assert 1000 <= generated < 5000
    monkeypatch.setattr(selection, "MOST_GENERATED", 1500)
    rows, generated = selection.generate_until(generate, lambda rows: rows["age"] > 1, 3, 0)
    assert len(rows) == 0 and generated == 1500
