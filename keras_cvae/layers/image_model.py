"""Functional models that take images and labels in the forms in which users have them."""

from __future__ import annotations

import importlib.util
import types
from typing import Any

import keras
from keras import ops

from keras_cvae import processes
from keras_cvae.fitting import inside
from keras_cvae.layers.conversion import to_integers, to_unit_interval

ONNX = {"tensorflow": "tf2onnx", "torch": "onnxscript", "jax": "jax2onnx"}  # package by backend


@keras.saving.register_keras_serializable("keras_cvae")
class ImageModel(keras.Model):
    """A functional model that takes uint8 images, and labels in any form that `CVAE.fit` takes.

    Images are the first input, and all others of two axes or more: uint8 is scaled from 0..255 to
    [0, 1] inside the compiled program, on the device. If the model has a layer `condition`,
    `predict`, and a call with NumPy arrays or lists, checks its labels and converts them, such as
    one-hot vectors or names. In a graph, where values are unknown, labels may be integers or
    one-hot vectors, and an invalid one becomes NaN.

    Built like any functional model: `ImageModel(inputs, outputs)`.

    Attributes:
        recipes: A namespace of the configs of `network` and `objective`, for the encoder of a model
            of `build_cvae`; empty for others.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.recipes = types.SimpleNamespace()  # Keras would look for layers in a dict

    def get_config(self) -> dict:
        config, recipes = super().get_config(), vars(self.recipes)
        return {**config, "recipes": dict(recipes)} if recipes else config

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> keras.Model:
        config = dict(config)
        recipes = config.pop("recipes", {})
        # Keras on torch identifies variables by their paths: those of models must differ.
        with keras.name_scope(config.get("name", cls.__name__)):
            model = super().from_config(config, custom_objects=custom_objects)
        vars(model.recipes).update(recipes)
        return model

    def __call__(self, inputs, *args, **kwargs):
        return super().__call__(self._with_labels(inputs), *args, **kwargs)

    def call(self, inputs, training=None, mask=None) -> Any:
        if isinstance(inputs, dict):
            inputs = [inputs[tensor.name] for tensor in self.inputs]
        if isinstance(inputs, (list, tuple)):
            first, *others = inputs
            others = [*map(self._as_input, others, self.inputs[1:])]
            inputs = [to_unit_interval(first), *others]
        else:
            inputs = to_unit_interval(inputs)
        return super().call(inputs, training=training, mask=mask)

    def _as_input(self, value, tensor):
        """Converts pixels of uint8, and one-hot vectors where the graph takes labels."""
        is_label = len(tensor.shape) == 1 and "int" in tensor.dtype
        if is_label and len(value.shape) == 2:
            return to_integers(value)
        return to_unit_interval(value) if len(value.shape) > 2 else value

    def predict(self, x, *args, **kwargs) -> Any:
        """Predicts as `keras.Model.predict`, after a check of the labels.

        After an error the weights are those from before the call.
        """
        with inside.restore_variables_on_error(self):
            return super().predict(self._with_labels(x), *args, **kwargs)

    def save(self, *args, **kwargs) -> None:
        """`keras.Model.save`; one of several processes may call it alone."""
        with processes.apart():
            super().save(*args, **kwargs)

    def save_weights(self, *args, **kwargs) -> None:
        """`keras.Model.save_weights`; one of several processes may call it alone."""
        with processes.apart():
            super().save_weights(*args, **kwargs)

    def export(self, filepath, format="tf_saved_model", *args, **kwargs) -> Any:
        """Exports as `keras.Model.export`.

        Raises:
            ImportError: If `format` is `"onnx"` and a package is missing; it says which.
        """
        package = ONNX.get(keras.backend.backend())
        if format == "onnx" and package and importlib.util.find_spec(package) is None:
            install = f"pip install {package}"
            if package != "jax2onnx":
                install = 'pip install "keras_cvae[onnx]"'
            else:
                install += ", or load the saved model with KERAS_BACKEND=tensorflow, and export it"
            raise ImportError(
                f"`format='onnx'` needs the package {package} on the backend "
                f"{keras.backend.backend()}: {install}."
            )
        return super().export(filepath, format, *args, **kwargs)

    def _with_labels(self, x):
        """Returns the inputs, with labels checked if they are arrays or lists."""
        if not isinstance(x, (dict, list, tuple)) or len(x) < 2:
            return x
        is_dict = isinstance(x, dict)
        values = x.values() if is_dict else x
        if any(ops.is_tensor(value) or isinstance(value, keras.KerasTensor) for value in values):
            return x
        names = [tensor.name for tensor in self.inputs]
        if not is_dict and len(x) != len(names):
            return x
        inputs = dict(x) if is_dict else dict(zip(names, x, strict=True))
        condition = next((layer for layer in self.layers if layer.name == "condition"), None)
        known = [*getattr(condition, "inputs", dict)()]
        if not known or not {names[0], *known} <= inputs.keys():
            return x
        count = len(inputs[names[0]])
        inputs |= condition.check_by_name({name: inputs[name] for name in known}, count)
        return inputs if is_dict else [inputs[name] for name in names]
