"""Runs the command in tests."""

import csv
import warnings

import pytest

from keras_cvae import cli

TINY = ["--hidden-units", "16", "--latent-dim", "2", "--batch-size", "256"]


def run_cli(*args):
    """Runs the command; returns its exit code."""
    with pytest.raises(SystemExit) as exit, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config.experimental_run_functions")
        cli.main([str(arg) for arg in args])
    return exit.value.code or 0


def error_of(capsys, *args, lines=1):
    """Runs a command that fails; returns its lines on stderr, one per error."""
    capsys.readouterr()
    assert run_cli(*args) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == error.count("keras-cvae: ") == lines and error.endswith("\n")
    return error


def warning_of(capsys, *args):
    """Runs a command that succeeds with a warning; returns the warning."""
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli(*args) == 0
    error = capsys.readouterr().err
    assert error.startswith("keras-cvae: ") and error.count("\n") == 1
    return error


def epochs_of(run):
    """Returns the lines of a run's history, one for each epoch."""
    with open(run / "history.csv") as file:
        return list(csv.DictReader(file))
