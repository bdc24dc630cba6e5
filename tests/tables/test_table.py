"""Kinds of the columns of a table, and rows to arrays and back; no model is needed."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_cvae import models, networks, tables
from keras_cvae.tables import selection
from keras_cvae.tables.columns import Categorical, Constant, Numeric
from tests.tables.rows import COUNT, frame


@pytest.fixture(scope="module")
def table():
    with pytest.warns(UserWarning, match="the same in every row.*'country', 'empty'"):
        return tables.Table.of(frame(), ["sex", "age"])


@pytest.mark.once
def test_kinds_of_columns(table):
    found = {column.name: column for column in table.columns}
    assert list(found) == list(frame().columns)
    kinds = {name: column.kind for name, column in found.items()}
    assert [name for name, kind in kinds.items() if kind == "numeric"] == ["age", "dose", "ratio"]
    assert kinds["visits"] == "count"
    assert found["sex"].categories == ["F", "M"]
    assert found["smokes"].categories == [False, True]
    assert found["grade"].categories == ["low", "high"]  # in their order, of those that occur
    assert found["rooms"].categories == [1, 2, 3, 4]
    assert found["country"] == Constant("country", "str", "AT") and found["empty"].value is None
    assert [found[n].decimals for n in ("age", "dose", "ratio")] == [0, 2, None]
    assert isinstance(found["dose"], Numeric) and isinstance(found["sex"], Categorical)


@pytest.mark.once
def test_the_kind_of_a_column_can_be_set():
    kinds = {"visits": "numeric", "age": "categorical", "rooms": "count", "ratio": "ignore"}
    kinds |= {"country": "ignore", "empty": "ignore"}
    found = {column.name: column for column in tables.Table.of(frame(), kinds=kinds).columns}
    assert found["visits"].kind == "numeric" and found["rooms"].kind == "count"
    assert len(found["age"].categories) > 10 and not {"ratio", "country"} & set(found)


@pytest.mark.once
def test_rows_to_arrays_and_back(table):
    """Rows come back as they were: order, types, decimals."""
    rows = frame()
    x, y = table.arrays(rows)
    assert x.shape == (COUNT, 6) and x.dtype == "float32"
    assert list(y) == ["sex", "age"]
    np.testing.assert_array_equal(y["sex"], [{"F": 0, "M": 1}.get(s, -1) for s in rows["sex"]])
    np.testing.assert_array_equal(y["age"][:, 0], rows["age"])
    np.testing.assert_array_equal(np.isnan(x).any(1), np.arange(COUNT) == 1)
    back = table.frame(x, table.from_inputs(y))
    assert back.loc[1, ["sex", "dose", "rooms"]].isna().all()
    whole, kept = (part.drop(index=1).reset_index(drop=True) for part in (back, rows))
    pd.testing.assert_frame_equal(
        whole.astype(kept.dtypes.to_dict() | {"grade": "str"}),
        kept.astype({"grade": "str"}),
        rtol=1e-6,
    )
    whole = table.frame(x[2:], {name: cells[2:] for name, cells in table.from_inputs(y).items()})
    ours, theirs = dict(whole.dtypes), dict(rows.dtypes)
    del ours["grade"], theirs["grade"]
    assert ours == theirs  # without a hole every type can be kept


@pytest.mark.once
def test_samples_are_rounded_and_within_bounds(table):
    x, y = table.arrays(frame().iloc[2:4])
    columns = [column.name for column in table.learned]
    x[:, columns.index("dose")] = 1e6, 5.12345
    x[:, columns.index("visits")] = 1e6, 2.0
    drawn = table.frame(x, table.from_inputs(y))
    np.testing.assert_allclose(drawn["dose"], [frame()["dose"].max(), 5.12])
    assert list(drawn["visits"]) == [frame()["visits"].max(), 2]


@pytest.mark.once
def test_a_table_is_saved_as_json(table):
    config = json.loads(json.dumps(table.as_config()))
    assert tables.Table.from_config(config) == table
    assert table.likelihood().table == table.as_config()


@pytest.mark.once
def test_requested_values_are_parsed(table):
    assert table.parse(" sex=F, age = 40 ") == {"sex": (0.0, 0.0), "age": (40.0, 40.0)}
    assert table.parse({"age": 40}) == {"age": (40.0, 40.0)} and table.parse("") == {}
    low, high = frame()["age"].agg(["min", "max"])
    assert table.parse("age=30..40.5") == {"age": (30.0, 40.5)}
    assert table.parse("age=..40,dose=5..")["age"] == (low, 40.0)
    assert table.parse("age=30..")["age"] == (30.0, high)
    plain = tables.Table.of(frame().drop(columns=["country", "empty"]))
    assert plain.condition() is None and plain.arrays(frame())[1] is None
    for wrong, expected in (
        ("sez=F", "`where` must name columns, of 'age', 'sex', .*. Did you mean 'sex'"),
        ("sex=X", "`where` must give column 'sex' one of 'F', 'M'. Received: 'X'"),
        ("age=old", "`where` must give column 'age' a finite number. Received: 'old'"),
        ("age=nan", "`where` must give column 'age' a finite number"),
        ("sex", "`where` must be names and values, as sex=F"),
        ("age=40..30", "give column 'age' a range from low to high, as 2..5"),
        ("age=..", "give column 'age' a range from low to high, as 2..5"),
        ("age=30..400", "give column 'age' a number within the data's"),
        ("sex=F,sex=M", "name each column once"),
    ):
        with pytest.raises(ValueError, match=expected):
            table.parse(wrong)
    assert plain.parse("sex=F") == {"sex": (0.0, 0.0)}  # which chooses among generated rows


many = [f"person {i}" for i in range(COUNT)]


@pytest.mark.parametrize(
    ("column", "kinds", "expected"),
    [
        ([object()] * 59 + [object()], {}, "'new' must contain numbers, texts, dates or b"),
        (np.arange(COUNT) * 1j, {}, "must contain real numbers"),
        (
            many,
            {},
            "not identifiers; `kinds` leaves it out with new=ignore. R.*60 different texts in 60",
        ),
        (np.arange(COUNT) + 5, {}, "must not only number the rows.*numbers 5 to 64, each once"),
        ([*map(str, range(58)), "n/k", "7"], {}, "59 different texts in 60 rows, numbers, but for"),
        ([1, "a"] * 30, {}, "must contain numbers, texts, dates or booleans"),
        (
            ["a", "b"] * 30,
            {"new": "numeric"},
            "'new' a kind that fits; 'numeric' is for numbers",
        ),
        (
            [-1.5, 2.0] * 30,
            {"new": "count"},
            "`kinds` must give column 'new'.*'count' is for whole numbers from 0 to",
        ),
        (
            2**60 + np.arange(COUNT) ** 2,
            {},
            "must contain whole numbers of at most 9007199254740992",
        ),
        ([f"{n},84" for n in range(COUNT)], {}, r"different texts in 60 rows, \[.*\]$"),
        ([f"0{n}.5" for n in range(COUNT)], {}, "numbers as texts, .*pandas.to_numeric"),
        ([np.inf, 1.0] * 30, {}, "must contain finite numbers in the range of float32"),
        (["a", "b"] * 30, {"new": "number"}, "`kinds` must give column 'new' one of 'date'"),
        (["a", "b"] * 30, {"old": "numeric"}, "`kinds` must name columns, of 'new', 'rest'"),
    ],
)
def test_invalid_columns_raise_an_error(column, kinds, expected):
    rows = pd.DataFrame({"new": column, "rest": [1, 2, 3] * 20})
    with pytest.raises(ValueError, match=expected):
        tables.Table.of(rows, kinds=kinds)
    if not kinds:
        assert len(tables.Table.of(rows, kinds={"new": "ignore"}).columns) == 1


@pytest.mark.once
def test_invalid_tables_raise_an_error(table):
    rows = pd.DataFrame({"a": [0, 1] * 10, "image": [1, 2] * 10})
    for arguments, expected in (
        ((rows, ["b"]), "`conditions` must name columns, of 'a', 'image'"),
        ((rows.rename(columns={"image": "b"}), ["a", "b"]), "must leave a column to be learned"),
        ((rows[:5],), "A table must have 10 rows. Received: 5"),
        ((rows.set_axis(["a", "a"], axis=1),), "different names.*'a' more than once"),
        ((rows.set_axis(["a", 1], axis=1),), "different names.*`frame.rename"),
    ):
        with pytest.raises(ValueError, match=expected):
            tables.Table.of(*arguments)
    with pytest.raises(ValueError, match="must have the columns.*none called 'dose'"):
        table.arrays(frame().drop(columns="dose"))
    with pytest.raises(ValueError, match="Column 'sex' must contain .*'F', 'M'.*Received: .'X'"):
        table.arrays(frame().replace({"sex": {"F": "X"}}))
    with pytest.raises(ValueError, match="Column 'dose' must contain numbers"):
        table.arrays(frame().assign(dose="much"))


@pytest.mark.once
def test_all_invalid_columns_are_named_at_once():
    texts = [f"a{place}" for place in range(COUNT)]
    rows = pd.DataFrame({"one": texts, "two": texts, "x": np.linspace(0, 1, COUNT)})
    with pytest.raises(ValueError, match="(?s)'one'.*'two'"):
        tables.Table.of(rows)


@pytest.mark.once
def test_requested_values_must_be_within_the_data():
    rows = pd.DataFrame({"carat": np.linspace(0.2, 5.01, COUNT), "x": np.arange(COUNT) % 17 / 7})
    rows["when"] = pd.date_range("2020-01-01", periods=COUNT)
    described = tables.Table.of(rows, ["carat", "when"])
    for where, expected in [
        ("carat=50", "within the data's, 0.2 to 5.01"),
        ("when=2031-01-01", "a date from 2020-01-01.* to 2020-02-29"),
        ("carat=1,carat=2", "each column once.*carat"),
    ]:
        with pytest.raises(ValueError, match=expected):
            described.parse(where)


WIDE = np.random.default_rng(0).integers(0, 9 * 10**8, COUNT)
MOMENTS = pd.Series(pd.Timestamp("2024-01-01") + pd.to_timedelta(WIDE, unit="s"))


@pytest.mark.once
@pytest.mark.parametrize(
    "column",
    [
        WIDE + 10**8,
        pd.Series(WIDE - 10**12 * (WIDE % 3)).astype("Int64").mask(WIDE % 5 == 0),
        WIDE / 100,  # cents
        [f"${number / 100:,.2f}" for number in WIDE],
        MOMENTS,
        MOMENTS + pd.to_timedelta(WIDE % 1000, unit="ms"),
        MOMENTS.dt.strftime("%d/%m/%Y %H:%M:%S"),
        pd.to_timedelta(WIDE, unit="s"),
    ],
)
def test_no_digit_is_lost_in_wide_columns(column):
    """float32 represents none of these exactly."""
    rows = pd.DataFrame({"it": column, "x": np.random.default_rng(1).normal(size=COUNT)})
    table = tables.Table.of(rows)
    table = tables.Table.from_config(json.loads(json.dumps(table.as_config())))
    pd.testing.assert_series_equal(table.frame(table.arrays(rows)[0])["it"], rows["it"])
    of_row = tables.Table.of(rows, ["it"])
    of_row = selection.matches(of_row.condition_cells(rows), of_row.parse({"it": rows["it"][7]}))
    assert of_row.tolist() == (rows["it"] == rows["it"][7]).fillna(False).tolist()


@pytest.mark.once
def test_columns_may_have_names_of_parts_of_a_model():
    names = ["name", "condition", "image", "z", "kl", "encoder", "self", "a/b", "dtype"]
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: rng.choice(["u", "v"], COUNT) for name in names})
    rows["x"] = rng.normal(size=COUNT)
    described = tables.Table.of(rows, names)
    described = tables.Table.from_config(json.loads(json.dumps(described.as_config())))
    x, y = described.arrays(rows)
    options = {"likelihood": described.likelihood(), "network": networks.Dense((4,))}
    cvae = models.build_cvae((1,), described.condition(), 2, **options)
    drawn = cvae.generate(y, count=COUNT, pixels="sample", seed=0)
    back = described.frame(drawn, described.from_inputs(y))
    pd.testing.assert_frame_equal(back[names], rows[names], check_dtype=False)
    assert described.parse("self=v,a/b=u") == {"self": (1.0, 1.0), "a/b": (0.0, 0.0)}


def test_a_table_saved_without_names_of_inputs(table):
    config = tables.Table(table.columns, ("sex",)).as_config()
    del config["inputs"]
    described = tables.Table.from_config(config)
    assert described.arrays(frame())[1].keys() == {"sex"}


@pytest.mark.once
def test_the_likelihood_knows_which_columns_have_missing_cells(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=COUNT), "flag": "x", "b": rng.normal(size=COUNT)})
    rows["when"] = [f"2026-01-{1 + day % 28:02d}" for day in range(COUNT)]
    rows.loc[:9, ["flag", "b", "when"]] = None
    described = tables.Table.of(rows)
    described = tables.Table.from_config(json.loads(json.dumps(described.as_config())))
    shares = {tuple(names): share for share, names in described.likelihood().missing}
    assert shares == pytest.approx({(): 1 - 10 / COUNT, ("flag", "b", "when"): 10 / COUNT})
    back = described.frame(described.arrays(rows)[0])
    assert back["flag"].dropna().tolist() == ["x"] * (COUNT - 10)
    assert back.isna().to_numpy().tolist() == rows.isna().to_numpy().tolist()
    with pytest.raises(ValueError, match="columns of two values or more.*'flag'"):
        tables.Table.of(rows, ["flag"])
