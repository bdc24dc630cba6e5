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
        port: The port to serve it at.
        browser: Whether to open it in a browser.
        ready: Function of its address, called once it is served.

    Raises:
        ValueError: If Gradio or a browser is not installed, the port is taken, the folder is not a
            run, or its condition cannot be set on a page.
    """
    serving.import_gradio()
    if browser:
        serving.check_browser()
    with serving.bind(port) as listening:
        blocks = page_of(runs.Run.load(Path(folder)))
        ready(serving.address(listening))
        serving.serve(blocks, listening, browser)


def page_of(run: runs.Run) -> Any:
    """Returns the page of a run, a `gradio.Blocks`, ready to answer at once.

    Args:
        run: The run.

    Raises:
        ValueError: If its condition cannot be set on a page.
    """
    make, build = PAGES[type(run)]
    explorer = make(run)
    explorer.warm_up()
    return build(explorer)


# By kind of run: what computes its page, and what arranges it.
PAGES: dict[type[runs.Run], tuple[Callable, Callable]] = {
    runs.ImageRun: (ImageExplorer, page.build),
    runs.TableRun: (RowExplorer, table_page.build),
}
