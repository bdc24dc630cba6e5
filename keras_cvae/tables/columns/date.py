"""Columns of dates and times: a number, the days since the first of them."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np

from keras_cvae.checks import explain, require
from keras_cvae.tables.columns.numeric import FEW
from keras_cvae.tables.columns.real import Real

FORMATS = ("%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S", "%d.%m.%Y")
FORMATS += ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S.%f")
FORMATS += ("%Y-%m-%d %H:%M:%S.%f", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d.%m.%Y %H:%M")
FORMATS += ("%H:%M", "%H:%M:%S")
STEPS = (86400, 3600, 60)  # seconds


@dataclasses.dataclass(frozen=True)
class Date(Real):
    """A column of dates or times, modelled as numbers are.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        format: How texts write a date, as for `strftime`; None where pandas has dates itself.
        step: The seconds that cells are rounded to, 86400 where all are whole days.
        first: The first date in the data, in ISO 8601.
        days: How many days after it the last one is.
    """

    name: str
    dtype: str
    format: str | None
    step: int
    first: str
    days: float

    kind = "date"
    holds = "dates"

    @classmethod
    def of(cls, series, distinct, asked):
        import pandas

        form, dtype = None, str(series.dtype)
        if all(isinstance(value, datetime.date) for value in distinct):
            dtype = dtype if dtype.startswith("datetime64") else "datetime64[us]"
        else:
            form = next((form for form in FORMATS if _are_written(distinct, form)), None)
            if form is None or (len(distinct) <= FEW and not asked):
                return None
        dates = pandas.to_datetime(distinct, format=form)
        first = dates.min()
        seconds = (dates - first.normalize()) / pandas.Timedelta(seconds=1)
        step = next((step for step in STEPS if (seconds % step == 0).all()), 1)
        days = float((dates.max() - first) / pandas.Timedelta(days=1))
        return cls(series.name, dtype, form, step, first.isoformat(), days)

    @property
    def unit(self):
        return f"days since {self.first[:10]}"

    @property
    def ends(self):
        return 0.0, self.days

    def read(self, series):
        with explain(f"Column {self.name!r} must hold dates", (TypeError, ValueError)):
            return self._days(series, self.format, "raise").to_numpy("float32")

    def _days(self, series, form, errors):
        import pandas

        first = pandas.Timestamp(self.first)
        aware = first.tzinfo is not None
        dates = pandas.to_datetime(series, format=form, errors=errors, utc=aware)
        return (dates - first) / pandas.Timedelta(days=1)

    def write(self, cells):
        import pandas

        seconds = np.clip(cells.astype("float64"), 0, self.days) * 86400
        since = pandas.to_timedelta(np.round(seconds / self.step) * self.step, unit="s")
        dates = pandas.Series(pandas.Timestamp(self.first) + since)
        if self.format is None:
            return dates
        return dates.dt.strftime(self.format).astype(object).where(dates.notna(), None)

    def parse(self, text):
        import pandas

        example = pandas.Timestamp(self.first).strftime(self.format or "%Y-%m-%d")
        expected = f"`where` must give column {self.name!r} a date, as {example}"
        with explain(expected, TypeError):  # with a time zone, or without, as the column is not
            days = self._days(pandas.Series([text]), self.format or "ISO8601", "coerce")[0]
        require(not np.isnan(days), expected, repr(text))
        last = self.write(np.array([0.0, self.days]))
        expected = f"`where` must give column {self.name!r} a date from {last[0]} to {last[1]}"
        require(0 <= days <= self.days, expected, repr(text))
        return float(days)


def _are_written(cells, form):
    """Whether cells are all texts that write dates in a form, and in no other way."""
    import pandas

    if not all(isinstance(value, str) for value in cells):
        return False
    dates = pandas.to_datetime(cells, format=form, errors="coerce")
    return bool(dates.notna().all() and (dates.dt.strftime(form) == cells).all())
