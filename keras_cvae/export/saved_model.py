"""TensorFlow's SavedModel."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np

from keras_cvae.export.base import KerasFormat


class SavedModel(KerasFormat):
    """A folder that TensorFlow and TensorFlow Serving open."""

    name = "tf_saved_model"
    suffix = ""
    backends = ("tensorflow", "jax")
    packages = dict.fromkeys(backends, ("tensorflow",))
    install = "tensorflow"
    example = """\
import tensorflow as tf

values = list(inputs.values())
model = tf.saved_model.load('{file}')
outputs = tf.nest.flatten(model.serve(values if len(values) > 1 else values[0]))"""

    def open(self, path: Path) -> Callable[[dict], list[np.ndarray]]:
        import tensorflow as tf

        model = tf.saved_model.load(str(path))

        def use(arrays):
            values = list(arrays.values())
            outputs = model.serve(values if len(values) > 1 else values[0])
            return [np.asarray(output) for output in keras.tree.flatten(outputs)]

        return use
