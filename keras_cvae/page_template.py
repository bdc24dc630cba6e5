"""Writes HTML pages from templates."""

from __future__ import annotations

from pathlib import Path

from keras_cvae import whole_files


def write(path: Path, template: Path, **content) -> Path:
    """Writes a page, and replaces an earlier one; text is escaped.

    Args:
        path: The file.
        template: The file of the template.
        **content: The values of the template.

    Returns:
        The path.
    """
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template(template.name).render(**content)
    whole_files.write_text(path, text)
    return path
