"""A batch inside a step of a `CVAE`: arranged by the names of the inputs, weighed, in [0, 1]."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae.conditions.classes import to_integers
from keras_cvae.data import arrays, inputs


def arrange(model, data, is_checked: bool, class_weights=None) -> tuple:
    """Arranges a batch of tensors.

    Args:
        model: A `CVAE`.
        data: What Keras hands to a step.
        is_checked: Whether the batch has been through the model's `intake`, or comes from a stream
            as it is.
        class_weights: Array of a weight for each class and, behind them, for an unknown one, or
            None.

    Returns:
        `(inputs, sample_weight)`: what the model is called with, and a tensor of shape `(batch,)`
        or None.
    """
    batch = inputs.arrange(data, model.input_names)
    weights = batch.pop(arrays.WEIGHT, None)
    image = model.input_names[0]
    if not is_checked and model.support == (0.0, 1.0) and len(model.image_shape) > 1:
        batch[image] = _to_unit_interval(batch[image])
    for tensor in model.inputs[1:]:
        if len(tensor.shape) == 1 and "int" in tensor.dtype:
            batch[tensor.name] = to_integers(batch[tensor.name])
    if class_weights is not None:
        label = batch["label"]
        of_class = ops.take(class_weights, ops.where(label < 0, len(class_weights) - 1, label))
        weights = of_class if weights is None else of_class * weights
    tensors = [batch[name] for name in model.input_names]
    return tensors if len(tensors) > 1 else tensors[0], weights


def _to_unit_interval(images):
    """A batch of floats of 0..255, as loaders of files give them, in [0, 1]; others as they are."""
    if "float" not in keras.backend.standardize_dtype(images.dtype):
        return images
    return images * ops.cast(ops.where(ops.max(images) > 1, 1.0 / 255.0, 1.0), images.dtype)
