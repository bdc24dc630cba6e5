"""Damaged files of every kind end in words, never in a traceback: a part of `fuzz.py`."""

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
def test_whole_files_open_and_damaged_ones_end_in_words(fuzz, readers):
    assert set(readers) > {"npz", "idx", "csv", "parquet", "png", "config.json", "model.keras"}
    ends = set()
    for content, file, read in readers.values():
        assert fuzz.fault(content, file, read) == ("opened", "")
        for number in range(8):
            damaged = fuzz.damage.damaged(content, np.random.default_rng([1, number]))
            outcome, details = fuzz.fault(damaged, file, read)
            assert outcome in ("opened", "refused"), details
            ends.add(outcome)
    assert ends == {"opened", "refused"}


def test_what_is_a_fault(fuzz):
    def read(path):
        raise KeyError(path.read_bytes())

    outcome, details = fuzz.fault(b"abc", "a.csv", read)
    assert outcome == "traceback" and "KeyError: b'abc'" in details
