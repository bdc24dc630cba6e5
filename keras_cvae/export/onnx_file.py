"""ONNX, which ONNX Runtime and many others open."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from keras_cvae.export.base import KerasFormat
from keras_cvae.runs.reading import Run


class Onnx(KerasFormat):
    """An `.onnx` file, with the notes on the model as metadata."""

    name = "onnx"
    suffix = ".onnx"
    backends = ("tensorflow", "torch", "jax")
    packages = {
        "tensorflow": ("onnxruntime", "tf2onnx"),
        "torch": ("onnxruntime", "onnxscript"),
        "jax": ("onnxruntime", "jax2onnx"),
    }
    install = '"keras_cvae[onnx]"'
    example = """\
import onnxruntime

session = onnxruntime.InferenceSession('{file}')
names = [entry.name for entry in session.get_inputs()]
outputs = session.run(None, dict(zip(names, inputs.values())))"""

    def write(self, run: Run, part: str, path: Path, notes: dict[str, Any]) -> None:
        import onnx

        super().write(run, part, path, notes)
        model = onnx.load(path)
        for key, value in notes.items():
            entry = model.metadata_props.add()
            entry.key, entry.value = key, value if isinstance(value, str) else json.dumps(value)
        onnx.save(model, path)

    def open(self, path: Path) -> Callable[[dict], list[np.ndarray]]:
        import onnxruntime

        session = onnxruntime.InferenceSession(path)
        names = [entry.name for entry in session.get_inputs()]
        return lambda arrays: session.run(None, dict(zip(names, arrays.values(), strict=True)))
