"""Gradio, and a server of pages that only this machine can open and that sends nothing out."""

from __future__ import annotations

import importlib
import os
import socket
import webbrowser
from typing import Any

from keras_cvae.checks import ArgumentError, explain
from keras_cvae.explore.files import text

HOST = "127.0.0.1"
SILENT = {
    "GRADIO_ANALYTICS_ENABLED": "False",  # also disables the request for a newer version
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_OFFLINE": "1",
}
FONT = "system-ui", "sans-serif"
MONO = "ui-monospace", "monospace"


def import_gradio() -> Any:
    """Imports Gradio, with all requests to other machines disabled.

    Raises:
        ValueError: If it is not installed.
    """
    os.environ.update(SILENT)
    try:
        return importlib.import_module("gradio")
    except ImportError as error:
        expected = "The explorer needs Gradio: pip install 'keras_cvae[explore]'"
        raise ArgumentError(None, expected, error) from None


def bind(port: int) -> socket.socket:
    """Returns a socket that listens on a port of this machine.

    Args:
        port: Port number.

    Raises:
        ValueError: If the port is in use, or not permitted.
    """
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        with explain("port", "must be free on this machine; try another, such as 7861", OSError):
            server.bind((HOST, port))
            server.listen()
    except ValueError:
        server.close()
        raise
    return server


def check_browser() -> None:
    """Raises an error if no browser is installed.

    Raises:
        ValueError: If so.
    """
    try:
        webbrowser.get()
    except webbrowser.Error as error:
        expected = "No browser is installed; `--no-browser` serves the page without opening it"
        raise ArgumentError(None, expected, error) from None


def application(blocks) -> Any:
    """Returns the web application of a page."""
    import fastapi

    gr = import_gradio()
    theme = gr.themes.Default(font=FONT, font_mono=MONO)
    app = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    options = {"server_name": HOST, "footer_links": [], "theme": theme, "css": text("page.css")}
    options |= {"enable_monitoring": False, "ssr_mode": False}
    options["run_history"] = False  # the browser would write it after each change of a control
    return gr.mount_gradio_app(app, blocks, "/", **options)


def serve(blocks, listening: socket.socket, opens_browser: bool) -> None:
    """Serves a page until Ctrl-C.

    Args:
        blocks: The page.
        listening: The socket of `bind`.
        opens_browser: Whether to open it in a browser.
    """
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(application(blocks), log_level="warning"))
    if opens_browser:
        webbrowser.open(address(listening))  # the browser waits until the server accepts
    server.run(sockets=[listening])


def address(listening: socket.socket) -> str:
    """Returns the URL of a page.

    Args:
        listening: The socket of `bind`.
    """
    return f"http://{HOST}:{listening.getsockname()[1]}"
