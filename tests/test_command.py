"""The first seconds of the command, in which Keras and a backend are imported."""

import os
import signal
import subprocess
import sys
import time

import pytest

import keras_cvae_command as command

pytestmark = pytest.mark.once


def test_a_backend_that_is_not_there_is_one_line():
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
        with pytest.raises(SystemExit) as stopped, command._stops_at_once():
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        assert stopped.value.code == 130
        assert capfd.readouterr().err == "keras-cvae: Stopped\n"
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_stays_ignored_where_it_is(monkeypatch):
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with command._stops_at_once():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_log_is_left_out_and_errors_are_not(capfd, monkeypatch):
    monkeypatch.setenv(command.LOG_LEVEL, command.QUIET)
    logged = (
        b"WARNING: All log messages before absl::InitializeLog() is called are ...\nI0000 00:00\n"
    )
    with pytest.raises(ImportError), command.without_log():
        os.write(2, logged + b"F0000 00:00:1 no AVX\n")
        raise ImportError
    assert capfd.readouterr().err == "F0000 00:00:1 no AVX\n"


def test_the_log_is_shown_where_it_is_asked_for(capfd, monkeypatch):
    monkeypatch.setenv(command.LOG_LEVEL, "0")
    with command.without_log():
        os.write(2, b"I0000 00:00\n")
    assert capfd.readouterr().err == "I0000 00:00\n"
