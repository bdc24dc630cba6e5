"""A run of a table, from the command line: rows in, rows out, in their own columns."""

import json

import keras
import numpy as np
import pandas as pd
import pytest

from keras_cvae import runs, tables
from tests.command import error_of, run_cli

pytestmark = [
    pytest.mark.once,
    pytest.mark.usefixtures("uncompiled"),
    pytest.mark.filterwarnings("ignore:Not learned"),
]
TINY = ["--hidden-units", 16, "--latent-dim", 2, "--batch-size", 64, "--epochs", 3, "--quiet"]


def people(count=300):
    rng = np.random.default_rng(0)
    sex = rng.choice(["F", "M"], count)
    age = rng.integers(18, 80, count)
    rows = pd.DataFrame(
        {
            "id": [f"p{i}" for i in range(count)],
            "sex": sex,
            "height": (165 + 12 * (sex == "M") + 5 * rng.normal(size=count)).round(1),
            "age": age,
            "visits": rng.negative_binomial(1, 1 / (1 + age / 20)),
            "smokes": rng.random(count) < 0.3,
            "land": "AT",
        }
    )
    holes = rng.random((count, 2)) < 0.1
    return rows.mask(np.isin(rows.columns, ["sex"]) & holes[:, :1]).assign(
        height=rows["height"].mask(holes[:, 1])
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, eagerly):
    """A run of a table with two conditions."""
    made = tmp_path_factory.mktemp("tables")
    tables.write(people(), made / "people.parquet")
    options = ["--condition", "sex,age", "--columns", "id=ignore", "--out", made / "run"]
    with eagerly():
        runs.train_table(
            made / "people.parquet",
            made / "first",
            kinds={"id": "ignore"},
            latent_dim=2,
            epochs=1,
            batch_size=64,
            fit_prior=False,
            measure=False,
            verbose=0,
        )
        assert run_cli("train", "--data", made / "people.parquet", *options, *TINY) == 0
    return made


@pytest.mark.slow
def test_the_files_of_a_run(folder):
    run = runs.Run.load(folder / "run")
    assert type(run) is runs.TableRun
    names = {path.name for path in run.folder.iterdir()}
    pictures = {"marginals.png", "correlations.png", "loss_curves.png"}
    kept = {"model.keras", "config.json", "history.csv", "metrics.json", "conditions.csv"}
    assert names >= pictures | kept and "samples.png" not in names
    config = json.loads((run.folder / "config.json").read_text())
    assert config["model"]["likelihood"]["table"] == run.table.as_config()
    assert run.metrics["rows"] == 60 and run.metrics["unit"].startswith("nats per row")
    kept = pd.read_csv(run.folder / "conditions.csv")
    assert list(kept.columns) == ["sex", "age"]
    assert len(kept) == 216 and kept["age"].notna().all()
    assert 0.05 < kept["sex"].isna().mean() < 0.15  # as in the data
    assert run.summary().startswith("240 training and 60 test rows of 3 columns, conditions: sex")
    loaded = keras.saving.load_model(run.folder / "model.keras")
    assert list(loaded.likelihood.columns) == ["height", "visits", "smokes"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
def test_rows_are_generated_as_requested(folder, tmp_path, name):
    arguments = ("generate", folder / "run", "--count", 50, "--out", tmp_path / name)
    assert run_cli(*arguments, "--where", "sex=F,age=40", "--seed", 1) == 0
    rows = tables.read(tmp_path / name)
    theirs = people().drop(columns="id")
    assert list(rows.columns) == list(theirs.columns) and len(rows) == 50
    assert dict(rows.dtypes) == dict(theirs.dtypes)
    assert set(rows["sex"]) == {"F"} and set(rows["age"]) == {40} and set(rows["land"]) == {"AT"}
    height = rows["height"].dropna()  # missing in a tenth of the data
    assert (height == height.round(1)).all() and not rows.drop(columns="height").isna().any().any()
    assert height.between(theirs["height"].min(), theirs["height"].max()).all()


def test_open_conditions_are_those_of_training_rows(folder):
    run = runs.Run.load(folder / "run")
    kept = pd.read_csv(run.folder / "conditions.csv")
    rows = run.generate({"sex": "M"}, count=200, seed=0)
    assert set(rows["sex"]) == {"M"}
    assert (
        set(rows["age"]) <= set(kept.loc[kept["sex"] == "M", "age"]) and rows["age"].nunique() > 20
    )
    rows = run.generate("age=79", count=200, seed=0)  # nearest rows say what the sex may be
    assert set(rows["age"]) == {79} and set(rows["sex"].dropna()) == {"F", "M"}
    rows = run.generate(count=200, seed=0)
    parts = [part[["sex", "age"]].astype(object).fillna("missing") for part in (rows, kept)]
    pairs = [{*part.itertuples(index=False, name=None)} for part in parts]
    assert pairs[0] <= pairs[1] and 0.03 < rows["sex"].isna().mean() < 0.2
    pd.testing.assert_frame_equal(run.generate(count=5, seed=3), run.generate(count=5, seed=3))
    plain = runs.Run.load(folder / "first")
    assert plain.generate(count=4, seed=0).shape == (4, 6)


def test_requests_for_other_columns_reject_generated_rows(folder, tmp_path, capsys):
    run = runs.Run.load(folder / "run")
    rows = run.generate("age=30..50,smokes=True,visits=..20", count=30, seed=0)
    assert len(rows) == 30 and rows["age"].between(30, 50).all() and rows["age"].nunique() > 5
    assert rows["smokes"].all() and (rows["visits"] <= 20).all()
    plain = runs.Run.load(folder / "first")
    assert set(plain.generate("sex=F", count=20, seed=0)["sex"]) == {"F"}
    out = tmp_path / "rows.csv"
    tall = f"height={people()['height'].max()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("keras_cvae.tables.selection.MOST_GENERATED", 50)
        message = error_of(capsys, "generate", folder / "run", "--where", tall, "--out", out)
    assert "none of 50 generated rows" in message and "name height in --condition" in message


def test_reconstructions_and_pictures(folder, tmp_path, capsys):
    out = tmp_path / "rows.csv"
    assert run_cli("reconstruct", folder / "run", "--count", 5, "--out", out) == 0
    assert len(pd.read_csv(out)) == 5 and not pd.read_csv(out)["height"].isna().any()
    out = tmp_path / "loss.png"
    assert run_cli("plot", folder / "run", "--kind", "loss", "--out", out) == 0
    assert out.stat().st_size > 1000
    assert "must be one of 'marginals', 'correlations', 'loss'" in error_of(
        capsys, "plot", folder / "run", "--kind", "samples", "--out", tmp_path / "a.png"
    )


def test_evaluation(folder, capsys):
    assert run_cli("evaluate", folder / "run", "--samples", 5) == 0
    printed = capsys.readouterr().out
    assert "C2ST" in printed and "log p(x | y)" in printed
    metrics = json.loads((folder / "run" / "metrics.json").read_text())
    (report,) = metrics["evaluations"].values()
    found = {measure["name"]: measure["value"] for measure in report["measures"]}
    assert 0 < found["columns"] < found["worst column"] < 1 and found["C2ST"] > 0.4
    assert 0.5 < found["coverage"] <= 1


def test_invalid_settings_raise_an_error(folder, tmp_path, capsys):
    run, data = folder / "run", folder / "people.parquet"
    generate = ("generate", run, "--out", tmp_path / "rows.csv")
    train = ("train", "--data", data, "--out", tmp_path / "other")
    for arguments, expected in (
        (
            (*generate, "--where", "sez=F"),
            "`--where` must name columns, of 'sex', 'height', 'age', 'visits', 'smokes'. Did you",
        ),
        ((*generate, "--where", "sex=X"), "`--where` must give column 'sex' one of 'F', 'M'"),
        (
            (*generate, "--where", "age=old"),
            "`--where` must give column 'age' a finite number. Received: 'old'",
        ),
        ((*generate, "--label", "3"), "`--label` is an option for images"),
        (
            ("generate", run, "--out", tmp_path / "a.png"),
            "`--out` must end in .csv or .tsv or .parquet",
        ),
        (train, "'id' must have categories, most of them in several rows"),
        ((*train, "--columns", "id=text"), "`--columns` must give column 'id' one of 'date', 'mon"),
        ((*train, "--columns", "id=date"), "`--columns` must give column 'id' a kind that fits"),
        ((*train, "--columns", "id"), "`--columns` must be names and kinds of columns"),
        (
            (*train, "--columns", "id=ignore", "--condition", "six"),
            "`--condition` must name columns, of 'id', 'sex'",
        ),
        ((*train, "--infer-label"), "`--infer-label` is an option for images"),
        ((*train, "--likelihood", "gaussian"), "`--likelihood` must be left out for a table"),
        (("train", "--condition", "a"), "`--condition` is an option for tables"),
    ):
        assert expected in error_of(capsys, *arguments)
    every = error_of(capsys, *train, "--columns", "ages=count", "--condition", "six", lines=3)
    of_columns, of_condition, of_id = every.splitlines()
    assert "`--columns` must name columns, of 'id'" in of_columns and "'age'?" in of_columns
    assert "`--condition` must name columns, of 'id'" in of_condition
    assert "'id' must have categories" in of_id
    assert "`--columns` leaves it out with id=ignore" in of_id
    assert not (tmp_path / "other").exists()
