"""Durations, which are seconds in the model."""

import numpy as np
import pandas as pd
import pytest

from keras_cvae.tables import columns


@pytest.mark.parametrize("kind", ["durations", "texts", "objects"])
def test_durations_are_seconds(kind):
    seconds = np.random.default_rng(0).integers(0, 200_000, 60)
    durations = pd.Series(pd.to_timedelta(seconds, unit="s"), name="it")
    cells = {"texts": durations.map(str), "objects": durations.astype(object)}.get(kind, durations)
    column = columns.decide(cells)
    assert column.kind == "duration"
    np.testing.assert_array_equal(column.read(cells), seconds)
    assert pd.Series(column.write(column.read(cells))).tolist() == cells.tolist()
    assert column.parse(str(durations[3])) == seconds[3]
    with pytest.raises(ValueError, match="give column 'it' a duration, as 1 days 02:30:00"):
        column.parse("soon")
