"""OpenVINO's intermediate representation, for Intel's processors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_cvae.export.base import KerasFormat


class OpenVINO(KerasFormat):
    """An `.xml` file, beside which is a `.bin` file of the weights."""

    name = "openvino"
    suffix = ".xml"
    backends = ("tensorflow", "torch")
    packages = dict.fromkeys(backends, ("openvino",))
    install = '"keras_cvae[openvino]"'
    example = """\
import openvino

precise = {{'INFERENCE_PRECISION_HINT': 'f32'}}
model = openvino.Core().compile_model('{file}', 'CPU', precise)
results = model(list(inputs.values()))
outputs = [results[place] for place in range(len(results))]"""

    def open(self, path: Path) -> Callable[[dict], list[np.ndarray]]:
        import openvino

        precise = {"INFERENCE_PRECISION_HINT": "f32"}
        model = openvino.Core().compile_model(path, "CPU", precise)

        def use(arrays):
            results = model(list(arrays.values()))
            return [results[place] for place in range(len(results))]

        return use
