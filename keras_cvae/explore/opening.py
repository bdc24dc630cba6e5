"""Opens the page of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from keras_cvae import runs
from keras_cvae.explore import page, serving, table_page
from keras_cvae.explore.images import ImageExplorer
from keras_cvae.explore.rows import RowExplorer


def explore(
    folder: str | Path,
    port: int = 7860,
    browser: bool = True,
    ready: Callable[[str], None] = print,
) -> None:
    """Serves the page of a run to this machine, until Ctrl-C.

    Args:
        folder: The folder of the run.
        port: The port of the server.
        browser: Whether to open the page in a browser.
        ready: Function of the URL, called once the server listens.

    Raises:
        ValueError: If Gradio or a browser is not installed, the port is in use, the folder is not a
            run, or its condition has a part that no control can set, such as an image.
    """
    serving.import_gradio()
    if browser:
        serving.check_browser()
    with serving.bind(port) as listening:
        blocks = page_of(runs.Run.load(Path(folder)))
        ready(serving.address(listening))
        serving.serve(blocks, listening, browser)


def page_of(run: runs.Run) -> Any:
    """Returns the page of a run, a `gradio.Blocks`, after compiling its computations.

    Args:
        run: The run.

    Raises:
        ValueError: If its condition has a part that no control can set, such as an image.
    """
    make, build = PAGES[type(run)]
    explorer = make(run)
    explorer.warm_up()
    return build(explorer)


# For each kind of run, the class with the computations of its page and the function that builds it.
PAGES: dict[type[runs.Run], tuple[Callable, Callable]] = {
    runs.ImageRun: (ImageExplorer, page.build),
    runs.TableRun: (RowExplorer, table_page.build),
}
