"""Bad input of `keras-cvae explore`: one sentence each, exit code 2."""

import socket
import sys
import webbrowser

import pytest

from keras_cvae.explore import opening, serving
from tests.command import error_of

pytestmark = pytest.mark.once


@pytest.fixture
def installed(monkeypatch):
    monkeypatch.setattr(serving, "import_gradio", lambda: None)


def test_a_missing_extra(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    error = error_of(capsys, "explore", tmp_path)
    assert "The explorer needs Gradio: pip install 'keras_cvae[explore]'" in error


@pytest.mark.usefixtures("installed")
def test_no_browser(monkeypatch, tmp_path, capsys):
    def get():
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", get)
    assert "`--no-browser` serves the page" in error_of(capsys, "explore", tmp_path)


@pytest.mark.usefixtures("installed")
def test_an_occupied_port_and_a_missing_run(tmp_path, capsys):
    with socket.socket() as other:
        other.bind((serving.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        taken = error_of(capsys, "explore", tmp_path, "--no-browser", "--port", port)
        assert "`--port` must be free" in taken
    message = "A run must be a folder"
    assert message in error_of(capsys, "explore", tmp_path, "--no-browser", "--port", 0)


@pytest.mark.usefixtures("installed")
def test_the_page_is_served_to_this_machine_only(monkeypatch, tmp_path):
    served = []
    monkeypatch.setattr(opening.runs.Run, "load", lambda folder: folder)
    monkeypatch.setattr(opening, "page_of", lambda run: run)
    monkeypatch.setattr(
        serving, "serve", lambda *arguments: served.append(arguments[1].getsockname())
    )
    opening.explore(tmp_path, port=0, browser=False, ready=served.append)
    address, (host, port) = served
    assert host == "127.0.0.1" and address == f"http://127.0.0.1:{port}"
