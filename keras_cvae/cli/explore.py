"""The command that opens a page to play with a run in."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from keras_cvae.cli.app import Command, app
from keras_cvae.cli.arguments import RunFolder


@app.command(cls=Command)
def explore(
    folder: RunFolder,
    port: Annotated[int, Option(min=0, max=65535, help="Of the page; 0 takes a free one.")] = 7860,
    browser: Annotated[
        bool, Option("--browser/--no-browser", help="Whether to open the page in a browser.")
    ] = True,
) -> None:
    """Open a local page to play with a trained model: draw, change the class, move a latent.

    Ctrl-C ends it. It is served to this machine alone, and sends nothing to others. It needs
    Gradio: pip install 'keras_cvae[explore]'.
    """
    from keras_cvae.explore import opening

    def ready(address):
        print(f"Explore {folder} at {address} (Ctrl-C ends it)", flush=True)

    opening.explore(folder, port, browser, ready)
