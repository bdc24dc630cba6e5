"""Arranges the batch of a step of a `CVAE` by the names of the inputs, with its weights."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae.data import arrays, inputs
from keras_cvae.layers.conversion import to_integers


def arrange(model, data, is_checked: bool, class_weights=None) -> tuple:
    """Arranges a batch of tensors.

    Args:
        model: A `CVAE`.
        data: The batch that Keras passes to `train_step`, `test_step` or `predict_step`.
        is_checked: Whether `CVAE.intake` has checked the batch.
        class_weights: Array of a weight for each class, followed by the weight for unknown labels;
            or None.

    Returns:
        `(inputs, sample_weight)`: the model's inputs, and a tensor of shape `(batch,)` or None.
    """
    batch = inputs.arrange(data, model.input_names)
    weights = batch.pop(arrays.WEIGHT, None)
    image = model.input_names[0]
    if not is_checked and model.support == (0.0, 1.0) and len(model.image_shape) > 1:
        batch[image] = _scale_floats(batch[image])
    for tensor in model.inputs[1:]:
        if len(tensor.shape) == 1 and "int" in tensor.dtype:
            batch[tensor.name] = to_integers(batch[tensor.name])
    if class_weights is not None:
        label = batch["label"]
        by_label = ops.take(class_weights, ops.where(label < 0, len(class_weights) - 1, label))
        weights = by_label if weights is None else by_label * weights
    tensors = [batch[name] for name in model.input_names]
    return tensors if len(tensors) > 1 else tensors[0], weights


def _scale_floats(images):
    """Scales a batch of floats from 0 to 255, as loaders of files yield them, to [0, 1]."""
    if "float" not in keras.backend.standardize_dtype(images.dtype):
        return images
    return images * ops.cast(ops.where(ops.max(images) > 1, 1.0 / 255.0, 1.0), images.dtype)
