"""Progress bars in terminals, notebooks and log files."""

import io

import pytest

from keras_cvae import progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Notebook(io.StringIO):
    __module__ = "ipykernel.iostream"  # of the output that ipykernel puts in the terminal's place


@pytest.mark.once
@pytest.mark.parametrize(
    ("kind", "seconds"), [(Terminal, 0.05), (Notebook, 0.05), (io.StringIO, 60.0)]
)
def test_a_log_file_has_no_progress_bar(monkeypatch, kind, seconds):
    monkeypatch.setattr("sys.stdout", kind())
    assert progress.bar(3, "step", 1).interval == seconds
