"""Pages of HTML, written from the templates of this package."""

from __future__ import annotations

import os
from pathlib import Path


def write(path: Path, template: str, **content) -> Path:
    """Writes a page, in place of an earlier one; text is escaped.

    Args:
        path: The file.
        template: Name of a file in the folder `templates`.
        **content: The values of the template.

    Returns:
        The path.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("keras_cvae.runs", "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template(template).render(**content)
    part = path.with_suffix(".part")
    part.write_text(text, "utf-8")
    os.replace(part, path)
    return path
