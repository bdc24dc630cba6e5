"""Dates, which are numbers in the model."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_cvae import tables
from keras_cvae.tables import columns
from keras_cvae.tables.columns import Date

COUNT = 60


DAYS = pd.Series(pd.date_range("2019-12-30", periods=COUNT)).sample(frac=1, random_state=0)


TIMES = pd.Series(pd.date_range("2019-12-30 10:00:07", periods=COUNT, freq="7h"))


@pytest.mark.parametrize(
    ("dates", "asked"),
    [
        (DAYS.dt.strftime("%Y-%m-%d"), "2020-01-10"),
        (DAYS.dt.strftime("%d.%m.%Y"), "10.01.2020"),
        (DAYS, "2020-01-10"),
        (TIMES.dt.strftime("%Y-%m-%d %H:%M:%S"), "2020-01-10 00:00:00"),
        (TIMES.dt.tz_localize("Europe/Vienna"), "2020-01-10 00:00+00:00"),
    ],
)
def test_dates_to_days_since_the_first_and_back(dates, asked):
    dates = pd.Series([*dates], dtype=dates.dtype)
    dates[3] = None
    rows = pd.DataFrame({"when": dates, "rest": [1, 2, 3] * 20})
    table = tables.Table.of(rows)
    assert tables.Table.from_config(json.loads(json.dumps(table.as_config()))) == table
    x, _ = table.arrays(rows)
    assert x[:, 0].dtype == "float32" and np.nanmin(x[:, 0]) == 0
    order = np.argsort(pd.to_datetime(dates, format=table.columns[0].format))
    assert (np.diff(x[order, 0][:-1]) >= 0.29).all()  # the missing one is last
    back = table.frame(x)["when"]
    known = dates.notna()
    assert back.isna().tolist() == (~known).tolist()
    assert back[known].tolist() == dates[known].tolist()
    x[:, 0] = np.linspace(-10, 100, COUNT)  # what is drawn is rounded, and within what was seen
    drawn = table.frame(x)["when"]
    assert drawn.dtype == dates.dtype and {drawn[0], drawn[COUNT - 1]} <= {*dates[known]}
    given = tables.Table.of(rows, "when")
    start = pd.Timestamp(given.columns[0].first)
    days = (pd.Timestamp("2020-01-10", tz=start.tz and "UTC") - start) / pd.Timedelta(days=1)
    assert given.parse({"when": asked})["when"][0] == pytest.approx(days)
    for wrong in ("soon", "nan", *([] if start.tz else ["2020-01-10T00:00:00+01:00"])):
        with pytest.raises(ValueError, match="give column 'when' a date, as .*. Received: "):
            given.parse({"when": wrong})
    with pytest.raises(ValueError, match="Column 'when' must contain dates"):
        given.arrays(rows.assign(when="soon"))


@pytest.mark.once
def test_dates_of_arrow():
    pytest.importorskip("pyarrow")
    dates = pd.Series(pd.date_range("2020-01-01", periods=COUNT, freq="5h"), name="when")
    column = columns.decide(dates.astype("timestamp[us][pyarrow]"))
    cells = column.read(dates.astype("timestamp[us][pyarrow]"))
    assert pd.Series(column.write(cells)).tolist() == dates.tolist()


def test_few_dates_are_dates_of_pandas_and_categories_of_texts():
    dates = pd.Series(pd.date_range("2020-01-01", periods=3).repeat(20))
    rows = pd.DataFrame({"date": dates, "text": dates.dt.strftime("%Y-%m-%d")})
    date, text = tables.Table.of(rows).columns
    assert (date.step, date.days) == (86400, 2) and len(text.categories) == 3
    assert tables.Table.of(rows, kinds={"text": "numeric"}).columns[1].days == 2


@pytest.mark.once
@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%dT%H:%M:%SZ",
        "%d/%m/%Y",
        "%H:%M",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%m/%d/%Y %I:%M %p",
        "%B %d, %Y",
    ],
)
def test_dates_are_written_in_their_form(form):
    dates = pd.Timestamp("2026-01-03T00:10") + pd.to_timedelta(np.arange(COUNT) * 1427, "min")
    rows = pd.DataFrame({"when": dates.strftime(form), "x": np.arange(COUNT) % 17 / 7})
    described = tables.Table.of(rows)
    assert isinstance(described.columns[0], Date)
    assert described.frame(described.arrays(rows)[0])["when"].tolist() == rows["when"].tolist()


@pytest.mark.once
@pytest.mark.parametrize(
    ("form", "change"),
    [
        ("%Y-%m-%dT%H:%M:%S+02:00", None),
        ("%Y-%m-%d %H:%M:%S-0530", None),
        ("%Y-%m-%dT%H:%M:%S.%f", lambda text: text[:-3]),  # milliseconds
        ("%Y-%m-%d %H:%M:%S.%fZ", lambda text: text[:-4] + "Z"),
        ("%d-%b-%Y", None),
        ("%b %d, %Y", None),
    ],
)
def test_offsets_fractions_and_names_of_months(form, change):
    dates = pd.Timestamp("2013-03-06T20:00:00") + pd.to_timedelta(np.arange(COUNT) * 1713.25, "h")
    dates = dates + pd.to_timedelta(np.arange(COUNT) * (137 if change else 0), "ms")
    texts = pd.Series(dates.strftime(form), name="when").map(change or str)
    date = columns.decide(texts)
    assert isinstance(date, Date)
    date = columns.from_config(json.loads(json.dumps(date.as_config())))
    back = date.write(date.read(texts).astype("float64"))
    assert back.tolist() == texts.tolist()
    assert date.parse(texts[5]) == pytest.approx(date.read(texts)[5], abs=1e-3)


@pytest.mark.once
def test_offsets_that_change_and_fractions_that_are_left_out():
    hours = pd.Series(pd.date_range("2026-01-01", periods=COUNT, freq="97h", tz="Europe/Vienna"))
    texts = hours.map(lambda date: date.isoformat()).rename("when")
    date = columns.decide(texts)
    assert date.parse("2026-01-01T01:00:00+01:00") == pytest.approx(1 / 24)
    assert date.write(np.array([1 / 24])).tolist() == ["2026-01-01T00:00:00+00:00"]
    times = ["10:00:00", "10:00:00.5"] * 30
    texts = pd.Series([f"2026-01-{1 + day % 28:02d}T{time}" for day, time in enumerate(times)])
    date = columns.decide(texts.rename("when"))
    assert isinstance(date, Date) and date.read(texts)[1] == pytest.approx(1 + 0.5 / 86400)


@pytest.mark.once
def test_texts_that_look_like_dates_raise_an_error():
    texts = pd.Series([f"Friday, 1 May {1900 + year}" for year in range(COUNT)], name="when")
    with pytest.raises(ValueError, match="'when'.*look like dates.*as 2026-01-31"):
        columns.decide(texts)


@pytest.mark.once
def test_dates_that_may_have_the_day_or_the_month_first():
    texts = pd.Series([f"{1 + n % 12:02d}/{1 + n // 12:02d}/2026" for n in range(COUNT)], name="at")
    with pytest.warns(UserWarning, match="'at'.* day first, 02/01/2026 as 2026-01-02; kind date"):
        decided = columns.decide(texts[1:])
    day_first, month_first = (columns.decide(texts, kind) for kind in ("date", "month_first"))
    assert decided.format == day_first.format == "%d/%m/%Y" and month_first.format == "%m/%d/%Y"
    assert month_first.read(texts)[:3].tolist() == [0.0, 31.0, 59.0]
    assert month_first.write(month_first.read(texts)).tolist() == texts.tolist()
    with pytest.raises(ValueError, match="kind that fits; 'month_first' is for dates .*05/31/2026"):
        columns.decide(texts.str.replace("01/", "31/", n=1), "month_first")
