"""The notebook runs from its first cell to its last, and its results are those of its text."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest

pytestmark = [pytest.mark.once, pytest.mark.slow]
ROOT = Path(__file__).parent.parent


def test_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    notebook = nbformat.read(ROOT / "docs" / "digits.ipynb", as_version=4)
    place = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=300, resources=place).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 5
    printed = "".join(output.get("text", "") for output in outputs)
    (share,) = re.findall(r"classified as their label: (\d+)%", printed)
    assert int(share) > 90
    assert outputs[-1]["data"]["text/plain"] == "True"  # the loaded model is the same
