"""Numbers with a currency, a percent sign or commas."""

import numpy as np
import pandas as pd
import pytest

from keras_cvae.tables import columns

NUMBERS = np.random.default_rng(0).normal(1500, 900, 60)


@pytest.mark.parametrize(
    ("form", "unit"),
    [
        ("${:,.2f}", "$"),
        ("{:.1f}%", "%"),
        ("{:,.0f}", "value"),
        ("{:.2f} €", "€"),
        ("£{:.0f}", "£"),
    ],
)
def test_texts_are_read_as_numbers_and_written_in_their_form(form, unit):
    texts = pd.Series(NUMBERS, name="it").map(lambda n: "-" * (n < 0) + form.format(abs(n)))
    texts[4] = None
    column = columns.decide(texts)
    assert column.kind == "amount" and column.unit == unit
    back = pd.Series(column.write(column.round_samples(column.read(texts)).astype("float32")))
    assert back.isna().tolist() == texts.isna().tolist()
    back = pd.Series(column.write(column.read(texts)))
    assert back.dropna().tolist() == texts.dropna().tolist()
    low, high = column.parse_range(f"{texts[1]}..") if NUMBERS[1] > 0 else (0, 1)
    assert low < high


@pytest.mark.parametrize(
    "texts",
    [
        ["$1", "$2"] * 30,  # few: categories
        [f"{n}" for n in range(60)],  # no sign
        [f"${n}" if n % 2 else f"€{n}" for n in range(60)],  # two currencies
    ],
)
def test_texts_that_are_not_amounts(texts):
    series = pd.Series(texts, name="it")
    assert columns.Amount.of(series, series.drop_duplicates(), requested=False) is None
