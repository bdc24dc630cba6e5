"""Pictures of a run that need something which may be missing."""

import sys

import pytest

from keras_cvae.runs import pictures


@pytest.mark.once
def test_a_notebook_is_told_that_diagrams_need_graphviz(monkeypatch, tmp_path):
    """Where IPython is loaded Keras prints a line for each diagram, and goes on."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "IPython.core.magics.namespace", None)
    with pytest.raises(ImportError, match="Graphviz"):
        pictures.write_diagrams(None)
