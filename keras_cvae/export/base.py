"""The base of all formats of exported models."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_cvae.runs.reading import Run

PARTS = "generator", "encoder", "decoder"


class Format:
    """A format of exported models.

    A subclass defines these attributes and `write`, and also `open` for a file that programs open.

    Attributes:
        name: Its name in `NAMES`.
        suffix: The suffix of its files, empty for a folder.
        backends: The backends of Keras that write it.
        parts: The submodels that can be exported to it.
        packages: The packages that must be installed, by backend.
        install: The argument of `pip install` for them.
        example: Lines of Python that open `{file}` and set `outputs`, from a dict `inputs` of
            arrays; empty if `open` is not defined.
    """

    name: str
    suffix: str
    backends: tuple[str, ...]
    parts: tuple[str, ...] = PARTS
    packages: dict[str, tuple[str, ...]] = {}
    install: str = ""
    example: str = ""

    def write(self, run: Run, part: str, path: Path, notes: dict[str, Any]) -> None:
        """Writes a submodel to a file.

        Args:
            run: The run.
            part: One of `parts`.
            path: The file, or the folder if `suffix` is empty.
            notes: The dict that `describe` returns.
        """
        raise NotImplementedError

    def open(self, path: Path) -> Callable[[dict], list[np.ndarray]]:
        """Opens a file without Keras.

        Args:
            path: As for `write`.

        Returns:
            A function of a dict of arrays by the names of the inputs, in their order. It returns
            the outputs.
        """
        raise NotImplementedError


class KerasFormat(Format):
    """A format that `keras.Model.export` writes, under the same name."""

    def write(self, run: Run, part: str, path: Path, notes: dict[str, Any]) -> None:
        getattr(run.model, part).export(str(path), format=self.name, verbose=False)
