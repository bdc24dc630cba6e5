"""A hook of MkDocs: `[[members likelihoods]]` in a page lists what that folder makes public.

So a new member appears on its page by its line in the folder's `__init__.py`.
"""

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parent.parent / "keras_cvae"


def members(folder: str) -> list[str]:
    """Returns the public names of `keras_cvae/FOLDER/__init__.py`, those of a base class last."""
    tree = ast.parse((PACKAGE / folder / "__init__.py").read_text("utf-8"))
    own, base = f"keras_cvae.{folder}.", f"keras_cvae.{folder}.base"
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    imports = sorted(imports, key=lambda node: node.module == base)
    names = [alias.name for node in imports if node.module.startswith(own) for alias in node.names]
    public = _all(tree)
    return [name for name in names if name in public] if public else names


def _all(tree: ast.Module) -> list[str]:
    """Returns the names of a plain `__all__`; none where it is calculated."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__":
            texts = [e.value for e in node.value.elts if isinstance(e, ast.Constant)]
            return texts if len(texts) == len(node.value.elts) else []
    return []


def on_page_markdown(markdown: str, **_) -> str:
    """Writes the members out, each to be described from its docstring."""

    def written(match):
        return "\n\n".join(f"::: keras_cvae.{match[1]}.{name}" for name in members(match[1]))

    return re.sub(r"^\[\[members (\w+)\]\]$", written, markdown, flags=re.MULTILINE)
