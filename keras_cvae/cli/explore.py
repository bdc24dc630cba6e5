"""The command that opens a page to explore a run."""

from __future__ import annotations

from typing import Annotated

from typer import Option

from keras_cvae.cli.app import Command, app
from keras_cvae.cli.arguments import RunFolder


@app.command(cls=Command)
def explore(
    folder: RunFolder,
    port: Annotated[
        int, Option(min=0, max=65535, help="Port of the page; 0 chooses a free one.")
    ] = 7860,
    browser: Annotated[
        bool, Option("--browser/--no-browser", help="Whether to open the page in a browser.")
    ] = True,
) -> None:
    """Open a local page to explore a trained model: draw, change the class, move a latent.

    Ctrl-C stops it. Only this machine can open the page, and it sends nothing to others. It needs
    Gradio: pip install 'keras_cvae[explore]'.
    """
    from keras_cvae.explore import opening

    def ready(address):
        print(f"Explore {folder} at {address} (Ctrl-C stops it)", flush=True)

    opening.explore(folder, port, browser, ready)
