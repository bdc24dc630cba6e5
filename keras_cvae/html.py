"""Tables and pictures as HTML, for notebooks and reports; all text is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BROAD = 8.0  # inches, above which text on a picture is too small on a phone


class Table(NamedTuple):
    """A table with its caption.

    Attributes:
        header: Names of the columns.
        rows: Texts of the cells.
        caption: What it shows.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    caption: str = ""

    def __html__(self) -> str:
        """Returns it as HTML."""
        if not self.rows:
            return paragraphs([self.caption])
        caption = f"<caption>{escape(self.caption)}</caption>\n" if self.caption else ""
        rows = "\n".join(_row("td", row) for row in self.rows)
        head = f"<thead>{_row('th', self.header)}</thead>"
        body = f"{caption}{head}\n<tbody>\n{rows}\n</tbody>"
        return f'<div class="wide"><table>\n{body}\n</table></div>'


class Picture(NamedTuple):
    """A picture with its caption.

    Attributes:
        figure: The figure, or the path of a PNG file.
        caption: What it shows.
        is_drawing: Whether it consists of lines and text, which are kept as vectors.
    """

    figure: Figure | Path
    caption: str
    is_drawing: bool = False

    def __html__(self) -> str:
        """Returns it as HTML that contains the picture."""
        caption = escape(self.caption)
        image = f'<img src="{self._url()}" alt="{caption}">'
        start = '<figure class="wide broad">' if self._is_broad() else "<figure>"
        return f"{start}{image}<figcaption>{caption}</figcaption></figure>"

    def _is_broad(self):
        """Whether it is to be scrolled on a phone, since its text would be too small."""
        return not isinstance(self.figure, Path) and self.figure.get_figwidth() > BROAD

    def _url(self):
        if isinstance(self.figure, Path):
            kind, content = "png", self.figure.read_bytes()
        else:
            kind, file = "svg" if self.is_drawing else "png", io.BytesIO()
            self.figure.savefig(file, format=kind)
            content = file.getvalue()
        mime = {"svg": "svg+xml"}.get(kind, kind)
        return f"data:image/{mime};base64,{base64.b64encode(content).decode()}"


def paragraphs(sentences: Iterable[str]) -> str:
    """Returns a paragraph of HTML for each sentence that is not empty.

    Args:
        sentences: Texts.
    """
    return "\n".join(f"<p>{escape(sentence)}</p>" for sentence in sentences if sentence)


def _row(tag, cells):
    return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"
