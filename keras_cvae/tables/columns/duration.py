"""Columns of durations: a number, their seconds."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np

from keras_cvae.checks import explain
from keras_cvae.tables.columns.numeric import Numeric


@dataclasses.dataclass(frozen=True)
class Duration(Numeric):
    """A column of durations, timedeltas of pandas or texts as it writes them in a CSV file.

    Attributes:
        is_text: Whether they are texts, such as 1 days 02:30:00.
    """

    is_text: bool = False

    kind = "duration"
    holds = "durations"
    unit = "seconds"

    @classmethod
    def of(cls, series, distinct, requested) -> Duration | None:
        is_text = all(isinstance(value, str) for value in distinct)
        are_durations = all(isinstance(value, datetime.timedelta) for value in distinct)
        if not are_durations and not (
            is_text and distinct.str.fullmatch(r"-?\d+ days? [+]?\d\d:\d\d:\d\d(\.\d+)?").all()
        ):
            return None
        seconds = _seconds(series)
        column = super().of(seconds, seconds.dropna().drop_duplicates(), True)
        dtype = "timedelta64[us]" if series.dtype == object and not is_text else str(series.dtype)
        return dataclasses.replace(column, dtype=dtype, is_text=is_text)

    def read(self, series) -> np.ndarray:
        with explain(None, f"Column {self.name!r} must contain durations", (TypeError, ValueError)):
            return super().read(_seconds(series))

    def read_texts(self, texts) -> np.ndarray:
        return self.read(texts)

    def write(self, cells) -> np.ndarray:
        import pandas

        seconds = super().write(cells)
        durations = pandas.Series(pandas.to_timedelta(seconds, unit="s").round("us"))
        if not self.is_text:
            return durations
        return durations.map(str).astype(object).where(~np.isnan(seconds), None).to_numpy()

    def parse(self, text) -> float:
        import pandas

        expected = f"must give column {self.name!r} a duration, as 1 days 02:30:00"
        with explain("where", expected, ValueError):
            seconds = pandas.Timedelta(text).total_seconds()
        return super().parse(str(seconds))


def _seconds(series):
    import pandas

    return pandas.to_timedelta(series).dt.total_seconds()
