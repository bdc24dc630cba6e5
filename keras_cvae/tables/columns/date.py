"""Columns of dates and times: a number, the days since the first of them."""

from __future__ import annotations

import dataclasses
import datetime
import re
import warnings

import numpy as np

from keras_cvae.checks import explain, require
from keras_cvae.tables.columns.numeric import FEW
from keras_cvae.tables.columns.real import Real

DAYS = ("%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%m-%d-%Y")
DAYS += ("%d-%b-%Y", "%d %b %Y", "%b %d, %Y", "%B %d, %Y", "%d %B %Y")
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
ZONES = ("", "Z", "%z")
FORMATS = (*DAYS, *CLOCKS)
FORMATS += tuple(f"{day}{t}{c}{z}" for day in DAYS for t in " T" for c in CLOCKS for z in ZONES)
ISO = (
    "ISO8601"  # in any of its forms, where texts have some with fractions or zones and some without
)
STEPS = (86400, 3600, 1800, 900, 300, 60)  # seconds


@dataclasses.dataclass(frozen=True)
class Date(Real):
    """A column of dates or times, modelled as numbers.

    Attributes:
        name: Name of the column.
        dtype: Its type in pandas.
        format: Format of the texts, as for `strftime`; None if the cells are dates of pandas.
        step: Seconds to which cells are rounded, 86400 if all are whole days.
        first: The first date in the data, in ISO 8601.
        days: The number of days from it to the last one.
        fraction: The number of digits of fractions of seconds.
    """

    name: str
    dtype: str
    format: str | None
    step: float
    first: str
    days: float
    fraction: int = 6

    kind = "date"
    holds = "dates"
    formats = FORMATS

    @classmethod
    def of(cls, series, distinct, requested) -> Date | None:
        import pandas

        form, fraction, dtype = None, 6, str(series.dtype)
        if all(isinstance(value, datetime.date) for value in distinct):
            dtype = dtype if dtype.startswith("datetime64") else "datetime64[us]"
        elif all(isinstance(value, str) for value in distinct):
            form, fraction = _format_of(distinct, cls.formats)
            if form is None or (len(distinct) <= FEW and not requested):
                return None
            if not requested:
                _warn_if_ambiguous(series.name, distinct, form)
        else:
            return None
        dates = _parse_mixed(distinct, form)
        first = dates.min()
        seconds = (dates - first.normalize()) / pandas.Timedelta(seconds=1)
        step = next((step for step in STEPS if (seconds % step == 0).all()), 1)
        if form is None:
            fraction = 3 if (dates.dt.microsecond % 1000 == 0).all() else 6
        if (form is None or "%f" in form) and (seconds % 1 != 0).any():
            step = 10.0**-fraction
        days = float((dates.max() - first) / pandas.Timedelta(days=1))
        return cls(series.name, dtype, form, step, first.isoformat(), days, fraction)

    @property
    def unit(self) -> str:  # type: ignore[override]
        return f"days since {self.first[:10]}"

    @property
    def ends(self) -> tuple[float, float]:
        return 0.0, self.days

    @property
    def resolution(self) -> float:
        return self.step / 86400

    def read(self, series) -> np.ndarray:
        expected = f"Column {self.name!r} must contain dates, as {self.write(np.zeros(1))[0]}"
        with explain(None, expected, (TypeError, ValueError)):
            return self.as_cells(self._days(series, self.format).to_numpy("float64"))

    def _days(self, series, form):
        import pandas

        first = pandas.Timestamp(self.first)
        dates = _parse_mixed(series, form, utc=first.tzinfo is not None)
        return (dates - first) / pandas.Timedelta(days=1)

    def write(self, cells) -> np.ndarray:
        import pandas

        seconds = np.clip(cells.astype("float64"), 0, self.days) * 86400
        since = pandas.to_timedelta(np.round(seconds / self.step) * self.step, unit="s")
        dates = pandas.Series(pandas.Timestamp(self.first) + since.round("us"))
        if self.format is None:
            return dates
        return _format(dates, self.format, self.fraction).where(dates.notna(), None).to_numpy()

    def parse(self, text) -> float:
        import pandas

        first, *_, last = self.write(np.array([0.0, self.days]))
        expected = f"must give column {self.name!r} a date, as {first}"
        try:
            days = self._days(pandas.Series([text]), self.format or ISO)[0]
        except (TypeError, ValueError):  # no date, or one with a time zone where the data have none
            days = np.nan
        require(not np.isnan(days), "where", expected, repr(text))
        expected = f"must give column {self.name!r} a date from {first} to {last}"
        require(0 <= days <= self.days, "where", expected, repr(text))
        return float(days)


def _warn_if_ambiguous(name, cells, form):
    """Warns if texts are read with the day first, and could also be read with the month first."""
    other = form.replace("%d/%m", "%m/%d").replace("%d-%m", "%m-%d")
    if other != form and _are_dates(cells, other):
        text = cells.iloc[0]
        message = f"Column {name!r} may have the day or the month first. It is read day first, "
        message += f"{text} as {_parse(cells.iloc[:1], form).iloc[0].date()}; "
        warnings.warn(
            f"{message}kind date confirms that, kind month_first is the other", stacklevel=5
        )


def _format_of(cells, formats):
    """Returns the format of texts, or None, and the number of digits of fractions of seconds."""
    fractions = cells.str.extract(r":\d\d\.(\d{1,6})(?!\d)")[0].dropna().str.len()
    fraction = int(fractions.max()) if len(fractions) else 6
    zones = [*cells.str.extract(r"\d([+-]\d\d:?\d\d)$")[0].unique()]
    for form in formats:
        if form.endswith("%z") and len(zones) == 1:  # all of one zone: a text like any other
            form = f"{form[:-2]}{zones[0]}"
        if _are_dates(cells.iloc[:1], form) and _are_dates(cells, form):
            is_written = _format(_parse(cells, form), form, fraction) == cells
            if form.endswith("%z") or is_written.all():
                return form, fraction
    is_iso = cells.str.fullmatch(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*").all()
    if is_iso and _are_dates(cells, ISO, utc=len(zones) > 1):
        clock = CLOCKS[2 if len(fractions) else 1]
        return f"%Y-%m-%d{cells.iloc[0][10]}{clock}{'%z' * (len(zones) > 1)}", fraction
    return None, 6


def _are_dates(cells, form, utc=False):
    try:
        return bool(_parse(cells, form, utc).notna().all())
    except (TypeError, ValueError):
        return False


def _parse(cells, form, utc=False):
    """Converts texts or dates to dates; those with a time zone in UTC."""
    import pandas

    has_zone = form is not None and form.endswith("%z")
    cells = cells.astype(object) if str(cells.dtype).endswith("[pyarrow]") else cells
    return pandas.to_datetime(cells, format=form, utc=utc or has_zone)


def _parse_mixed(cells, form, utc=False):
    """Parses texts of which only some have times or fractions of seconds."""
    try:
        return _parse(cells, form, utc)
    except ValueError:
        if form is None or not form.startswith("%Y-%m-%d"):
            raise
        return _parse(cells, ISO, utc or form.endswith("%z"))


def _format(dates, form, fraction):
    """Converts dates to texts."""
    texts = dates.dt.strftime(re.sub("%z$", "+00:00", form)).astype(object)
    if "%f" not in form:
        return texts
    return texts.str.replace(rf"(\.\d{{{fraction}}})\d*", r"\1", regex=True)
