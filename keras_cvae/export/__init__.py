"""Formats in which other programs open a trained model; `NAMES` is a dict of them.

To add a format, subclass `Format` and define its attributes, `write` and `open`.
"""

from __future__ import annotations

import os
from pathlib import Path

from keras_cvae.checks import member
from keras_cvae.export import files
from keras_cvae.export.base import Format, KerasFormat
from keras_cvae.export.files import describe
from keras_cvae.export.litert import LiteRT
from keras_cvae.export.onnx_file import Onnx
from keras_cvae.export.openvino_file import OpenVINO
from keras_cvae.export.saved_model import SavedModel
from keras_cvae.export.web_page import WebPage
from keras_cvae.runs.reading import Run

NAMES = {kind.name: kind for kind in (Onnx, SavedModel, LiteRT, OpenVINO, WebPage)}

__all__ = ["NAMES", "Format", "KerasFormat", "describe", "write"]


def write(
    run: Run,
    out: str | os.PathLike,
    *,
    part: str = "generator",
    format: str | Format = "onnx",
    force: bool = False,
) -> float | None:
    """Exports the generator, encoder or decoder of a run, and checks the file against Keras.

    The generator takes noise, samples of N(0, I), and labels, and returns images; random operations
    themselves cannot be exported. A `.json` file beside it contains the names of the classes and
    the ranges of the inputs, which are also metadata of an ONNX file, and a `.py` file opens it. A
    page, `format="web"`, has neither.

    Args:
        run: The run.
        out: The file, with the suffix of the format; of a `"tf_saved_model"` a folder.
        part: `"generator"`, `"encoder"` or `"decoder"`; of a page only the first.
        format: `"onnx"`, `"tf_saved_model"`, `"litert"`, `"openvino"`, `"web"` or a `Format`.
        force: Whether to replace files that exist.

    Returns:
        The greatest difference between the outputs of the file and of Keras, over batches of 1 and
        of 7 examples. None for a page, which shows it itself.

    Raises:
        ValueError: If an argument is not one of the above, the backend does not write the format,
            the format lacks an operation of the model, a package is missing, or the outputs differ
            by more than 1e-4. Then no file is written.
    """
    return files.write(run, Path(out), member("format", format, Format, NAMES), part, force)
