"""Columns of numbers with a currency, a percent sign or commas between thousands."""

from __future__ import annotations

import dataclasses
import re

import numpy as np

from keras_cvae.checks import explain
from keras_cvae.tables.columns.numeric import FEW, Numeric

SIGNS = "$€£¥%"
_AMOUNT = re.compile(
    rf"(?P<minus>[-+]?)(?P<before>[{SIGNS}]? ?)(?P<number>\d{{1,3}}(?:,\d{{3}})+|\d+)"
    rf"(?P<fraction>\.\d+)?(?P<after> ?[{SIGNS}]?)"
)


@dataclasses.dataclass(frozen=True)
class Amount(Numeric):
    """A column of texts such as $3.00, 12% or 1,234: read as numbers, and written in the same form.

    Attributes:
        form: Format of a number without its sign, as for `str.format`.
    """

    form: str = ""

    kind = "amount"
    holds = "numbers, such as $3.00, 12% or 1,234"

    @classmethod
    def of(cls, series, distinct, requested) -> Amount | None:
        if not all(isinstance(value, str) for value in distinct) or (
            len(distinct) <= FEW and not requested
        ):
            return None
        amounts = [_AMOUNT.fullmatch(value.strip()) for value in distinct]
        if not all(amounts):
            return None
        signs = {(match["before"], match["after"]) for match in amounts}
        commas = any("," in match["number"] for match in amounts)
        if len(signs) > 1 or (signs == {("", "")} and not commas):
            return None
        ((before, after),) = signs
        decimals = max(len(match["fraction"] or ".") - 1 for match in amounts)
        numbers = _numbers(series)
        column = super().of(numbers, numbers.dropna().drop_duplicates(), True)
        form = f"{before}{{:{',' * commas}.{decimals}f}}{after}"
        return dataclasses.replace(column, dtype=str(series.dtype), decimals=decimals, form=form)

    @property
    def unit(self) -> str:  # type: ignore[override]
        return re.sub(r"\{.*\}", "", self.form).strip() or "value"

    def read(self, series) -> np.ndarray:
        with explain(
            None, f"Column {self.name!r} must contain {self.holds}", (TypeError, ValueError)
        ):
            return super().read(_numbers(series))

    def read_texts(self, texts) -> np.ndarray:
        return self.read(texts)

    def write(self, cells) -> np.ndarray:
        import pandas

        numbers = pandas.Series(super().write(cells))
        texts = numbers.map(lambda n: ("-" if n < 0 else "") + self.form.format(abs(n)))
        return texts.astype(object).where(numbers.notna(), None).to_numpy()

    def parse(self, text) -> float:
        return super().parse(re.sub(rf"[{SIGNS},\s]", "", text))


def _numbers(series):
    """Returns the numbers that texts denote."""
    texts = series.astype(object).where(series.notna(), None)
    return texts.map(
        lambda text: float(re.sub(rf"[{SIGNS},\s]", "", text)), na_action="ignore"
    ).astype("float64")
