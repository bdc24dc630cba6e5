"""Conditions that are images, or other tensors, embedded by the user's own Keras model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import checks
from keras_cvae.conditions.base import Condition
from keras_cvae.data import arrays
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Image(Condition):
    """A tensor, such as an image, that a Keras model embeds as y; the model is trained too.

    y is the flattened output of the model. An example that contains a NaN is unknown: its y is all
    zeros. Images may be uint8, and are scaled to [0, 1] inside the compiled program; vectors may
    not.

    A `CVAE` trains a copy of the model, weights included: `cvae.condition.model`.

    Args:
        model: A Keras model or layer that takes one tensor and returns one tensor. A custom layer
            must be registered with Keras for the `CVAE` to be saved.
        shape: Shape of one example, without the batch; may be left out if the model is built.
        dropout: The probability that training hides an example, in [0, 1].
        seed: Optional integer seed of the dropout.

    Attributes:
        model: The model.
        shape: Shape of one example.

    Call arguments:
        inputs: Tensor of shape `(batch, *shape)`.
        training: Whether to hide examples; it is also passed to the model.

    Returns:
        Tensor of shape `(batch, width)`.

    Raises:
        ValueError: If `model` is not a Keras layer, has several inputs or outputs, or does not take
            `shape`; or if `shape` is left out and the model is not built.

    Example:
    ```python
    features = keras.Sequential([layers.Conv2D(16, 3, 2, activation="relu")])
    cvae = keras_cvae.build_cvae((28, 28, 1), conditions.Image(features, (28, 28, 1)))
    cvae.fit([x_train, sketches])      # or {"image": x_train, "context": sketches}
    cvae.generate(sketches[:3])
    ```
    """

    def __init__(
        self,
        model,
        shape: Sequence[int] | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(dropout, seed, **kwargs)
        is_model = isinstance(model, keras.layers.Layer)
        checks.require(is_model, "model", "must be a Keras model of the condition", repr(model))
        self.model = model
        self.shape = _shape_of(model) if shape is None else checks.integers("shape", shape)
        expected = f"must take one tensor of shape {self.shape}"
        with checks.explain("model", expected, (ValueError, TypeError, RuntimeError)):
            features = model(keras.Input(self.shape))
        is_one = hasattr(features, "shape") and None not in features.shape[1:]
        expected = "must return one tensor, whose shape is known but for the batch"
        received = keras.tree.map_structure(lambda tensor: tensor.shape, features)
        checks.require(is_one, "model", expected, received)
        self.width = math.prod(features.shape[1:])

    def inputs(self) -> dict[str, keras.KerasTensor]:
        return {"context": keras.Input(self.shape, name="context")}

    def call(self, inputs, training=False) -> Tensor:
        values = self.hide(ops.cast(inputs, "float32"), math.nan, training)
        known = ops.logical_not(self.is_unknown(values))
        rows = ops.reshape(known, (-1, *(1 for _ in self.shape)))
        features = self.model(ops.where(rows, values, 0.0), training=training)
        features = ops.reshape(features, (-1, self.width))
        return ops.where(known[:, None], ops.cast(features, self.compute_dtype), 0.0)

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        return keras.KerasTensor((inputs.shape[0], self.width), dtype=self.compute_dtype)

    def is_unknown(self, values) -> Tensor | np.ndarray:
        library = np if isinstance(values, np.ndarray) else ops
        return library.any(library.isnan(values), axis=tuple(range(1, len(values.shape))))

    def count(self, values) -> int:
        return 1 if self._is_one(values) else len(values)

    def _is_one(self, values):
        return np.ndim(values) == 0 or np.shape(values) in self._shapes()

    def _shapes(self):
        """Returns the possible shapes of an example: a last axis of size 1 may be missing."""
        return {self.shape, self.shape[:-1] if self.shape[-1] == 1 else self.shape} - {()}

    def check(self, values, count, name="y") -> dict:
        if np.ndim(values) == 0 and (values is None or values != values):
            values = np.broadcast_to(np.float32(math.nan), (count, *self.shape))
        values = arrays.array(values, name)
        if self._is_one(values) and values.ndim:
            values = np.broadcast_to(values, (count, *values.shape))
        if values.shape[1:] in self._shapes():
            values = values.reshape(-1, *self.shape)
        return {"context": arrays.check_tensors(values, self.shape, count=count, name=name)}

    def get_config(self) -> dict:
        model = keras.saving.serialize_keras_object(self.model)
        config = {"model": model, "shape": list(self.shape)}
        return {**super().get_config(), **config, "dropout": self.dropout, "seed": self.seed}

    @classmethod
    def from_config(cls, config) -> Image:
        return cls(**{**config, "model": keras.saving.deserialize_keras_object(config["model"])})


def _shape_of(model):
    shape = getattr(model, "input_shape", None) if model.built else None
    is_known = (
        isinstance(shape, tuple)
        and None not in shape[1:]
        and all(isinstance(size, int) for size in shape[1:])
    )
    expected = (
        "must be the shape of one example if `model` is not built for one tensor of a known shape"
    )
    checks.require(
        is_known and len(shape) > 1, "shape", expected, f"shape=None, a model of {shape}"
    )
    return tuple(shape[1:])
