"""The first seconds of the command, in which Keras and a backend are imported."""

import os
import signal
import subprocess
import sys
import time

import pytest

from keras_cvae import (
    corruptions,
    datasets,
    export,
    likelihoods,
    networks,
    objectives,
    priors,
    tables,
)
from keras_cvae.cli import names, starting
from keras_cvae.runs import pictures, table_pictures

pytestmark = pytest.mark.once


ASKED = """
import sys
import keras_cvae_command

sys.argv = ["keras-cvae", *{!r}]
try:
    keras_cvae_command.main()
finally:
    assert not {{"keras", "tensorflow", "jax", "torch", "pandas", "sklearn"}} & {{*sys.modules}}
"""


@pytest.mark.parametrize("arguments", [["--version"], ["train", "--help"], ["plot", "--help"]])
def test_commands_that_do_not_import_keras(arguments):
    path = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", ASKED.format(arguments)], env=path)
    assert done.returncode == 0


def test_help_lists_the_members_of_each_family():
    assert names.DATA == datasets.NAMES and names.COLUMN_KINDS == tables.KINDS
    families = [networks.NAMES, networks.INJECTIONS, likelihoods.NAMES, priors.NAMES]
    families += [objectives.NAMES, corruptions.NAMES, export.NAMES]
    families += [pictures.KINDS | table_pictures.KINDS]
    listed = [names.NETWORKS, names.INJECTIONS, names.LIKELIHOODS, names.PRIORS]
    listed += [names.OBJECTIVES, names.CORRUPTIONS, names.FORMATS, names.PICTURES]
    assert [tuple(family) for family in families] == listed


def test_a_missing_backend_is_reported_in_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "keras_cvae_command", "train"],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "foo", "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 2 and done.stdout == ""
    (error,) = done.stderr.splitlines()
    assert error.startswith("keras-cvae: `KERAS_BACKEND`") and "foo" in error


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGINT to a process")
def test_ctrl_c_stops_an_import_at_once(monkeypatch, capfd):
    monkeypatch.setattr(os, "_exit", sys.exit)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(SystemExit) as stopped, starting._stops_at_once():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        assert stopped.value.code == 130
        assert capfd.readouterr().err == "keras-cvae: Stopped\n"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_stays_ignored_if_it_is_ignored(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with starting._stops_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_log_of_tensorflow_is_hidden_but_not_errors(capfd, monkeypatch):
    monkeypatch.setenv(starting.LOG_LEVEL, starting.QUIET)
    logged = (
        b"WARNING: All log messages before absl::InitializeLog() is called are ...\nI0000 00:00\n"
    )
    with pytest.raises(ImportError), starting.without_log():
        os.write(2, logged + b"F0000 00:00:1 no AVX\n")
        raise ImportError
    assert capfd.readouterr().err == "F0000 00:00:1 no AVX\n"


def test_the_log_of_tensorflow_is_shown_on_request(capfd, monkeypatch):
    monkeypatch.setenv(starting.LOG_LEVEL, "0")
    with starting.without_log():
        os.write(2, b"I0000 00:00\n")
    assert capfd.readouterr().err == "I0000 00:00\n"
