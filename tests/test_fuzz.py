"""A part of `fuzz.py`: a damaged file opens or raises an error that explains what is wrong."""

import numpy as np
import pytest

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


@pytest.fixture(scope="module")
def fuzz():
    from experiments import fuzz

    return fuzz


@pytest.fixture(scope="module")
def readers(fuzz, tmp_path_factory, eagerly):
    with eagerly():
        return fuzz.readers(tmp_path_factory.mktemp("whole"))


@pytest.mark.slow
def test_damaged_files_open_or_raise_an_error_that_explains(fuzz, readers):
    assert set(readers) > {"npz", "idx", "csv", "parquet", "png", "config.json", "model.keras"}
    ends = set()
    for content, file, read in readers.values():
        assert fuzz.try_reading(content, file, read) == ("opened", "")
        for number in range(8):
            damaged = fuzz.damage.damage(content, np.random.default_rng([1, number]))
            outcome, details = fuzz.try_reading(damaged, file, read)
            assert outcome in ("opened", "refused"), details
            ends.add(outcome)
    assert ends == {"opened", "refused"}


def test_other_exceptions_are_reported(fuzz):
    def read(path):
        raise KeyError(path.read_bytes())

    outcome, details = fuzz.try_reading(b"abc", "a.csv", read)
    assert outcome == "traceback" and "KeyError: b'abc'" in details
