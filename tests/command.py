"""The command as tests call it."""

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


def refused(capsys, *args, lines=1):
    """The line on stderr that bad input ends with, or as many as it has faults."""
    capsys.readouterr()
    assert run_cli(*args) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.count("\n") == error.count("keras-cvae: ") == lines and error.endswith("\n")
    return error


def warned(capsys, *args):
    """What a command says on stderr, and all the same goes on."""
    capsys.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        assert run_cli(*args) == 0
    error = capsys.readouterr().err
    assert error.startswith("keras-cvae: ") and error.count("\n") == 1
    return error


def epochs_of(run):
    """The lines of a run's history, one for each epoch."""
    with open(run / "history.csv") as file:
        return list(csv.DictReader(file))
