"""The command as tests call it."""

import pytest

from keras_cvae import cli


def run_cli(*args):
    """Runs the command; returns its exit code."""
    with pytest.raises(SystemExit) as exit:
        cli.main([str(arg) for arg in args])
    return exit.value.code or 0


def refused(capsys, *args):
    """The one line on stderr that bad input ends with."""
    capsys.readouterr()
    assert run_cli(*args) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("keras-cvae: ") and error.count("\n") == 1 and error.endswith("\n")
    return error
