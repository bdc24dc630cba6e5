"""Columns of dates whose month is written first."""

from __future__ import annotations

import dataclasses

from keras_cvae.tables.columns.date import FORMATS, Date


@dataclasses.dataclass(frozen=True)
class MonthFirst(Date):
    """A column of texts such as 05/06/2026, read as 6 May where `Date` reads 5 June.

    The user chooses it. Where a day is above 12 `Date` itself reads the month first.
    """

    kind = "month_first"
    holds = "dates as texts with the month first, such as 05/31/2026"
    formats = tuple(form for form in FORMATS if form.startswith("%m"))

    @classmethod
    def of(cls, series, distinct, requested) -> Date | None:
        is_text = all(isinstance(value, str) for value in distinct)
        return super().of(series, distinct, requested) if requested and is_text else None
