"""LiteRT, before called TensorFlow Lite, for phones and small devices."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_cvae.export.base import KerasFormat


class LiteRT(KerasFormat):
    """A `.tflite` file."""

    name = "litert"
    suffix = ".tflite"
    backends = ("tensorflow",)
    packages = {"tensorflow": ("tensorflow",)}
    install = "tensorflow"
    example = """\
import tensorflow as tf

use = tf.lite.Interpreter('{file}').get_signature_runner()
names = [next(n for n in use.get_input_details() if key in n) for key in inputs]
outputs = list(use(**dict(zip(names, inputs.values()))).values())"""

    def open(self, path: Path) -> Callable[[dict], list[np.ndarray]]:
        import tensorflow as tf

        interpreter = tf.lite.Interpreter(str(path))

        def use(arrays):
            runner = interpreter.get_signature_runner()
            by_name = {
                name: next(value for key, value in arrays.items() if key in name)
                for name in runner.get_input_details()
            }
            outputs = runner(**by_name)
            return [outputs[name] for name in sorted(outputs)]

        return use
