"""Dates are numbers to the model, and dates again in the table."""

import json

import numpy as np
import pandas as pd
import pytest

from keras_cvae import tables
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
def test_dates_are_days_since_the_first_and_dates_again(dates, asked):
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
    with pytest.raises(ValueError, match="Column 'when' must hold dates"):
        given.arrays(rows.assign(when="soon"))


def test_few_dates_are_dates_of_pandas_and_categories_as_texts():
    dates = pd.Series(pd.date_range("2020-01-01", periods=3).repeat(20))
    rows = pd.DataFrame({"date": dates, "text": dates.dt.strftime("%Y-%m-%d")})
    date, text = tables.Table.of(rows).columns
    assert (date.step, date.days) == (86400, 2) and len(text.categories) == 3
    assert tables.Table.of(rows, kinds={"text": "numeric"}).columns[1].days == 2


@pytest.mark.once
@pytest.mark.parametrize(
    "form", ["%Y-%m-%dT%H:%M:%SZ", "%d/%m/%Y", "%H:%M", "%Y-%m-%dT%H:%M:%S.%f"]
)
def test_forms_of_dates_are_written_as_they_were(form):
    dates = pd.Timestamp("2026-01-03T00:10") + pd.to_timedelta(np.arange(COUNT) * 1427, "min")
    rows = pd.DataFrame({"when": dates.strftime(form), "x": np.arange(COUNT) % 17 / 7})
    described = tables.Table.of(rows)
    assert isinstance(described.columns[0], Date)
    assert described.frame(described.arrays(rows)[0])["when"].tolist() == rows["when"].tolist()
