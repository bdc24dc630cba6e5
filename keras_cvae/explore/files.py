"""The HTML, JavaScript and CSS files of the pages, in the folder `parts`."""

from __future__ import annotations

import importlib.resources

FOLDER = importlib.resources.files("keras_cvae.explore") / "parts"


def text(name: str) -> str:
    """Returns the content of a file.

    Args:
        name: File name, such as `"page.css"`.
    """
    return (FOLDER / name).read_text("utf-8")
