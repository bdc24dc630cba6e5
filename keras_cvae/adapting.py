"""Adapts a model to its data before training: the scale of numbers, pseudo-inputs of a prior."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np

from keras_cvae import batched, graph


def needs_data(cvae) -> bool:
    """Returns whether a part of a model must adapt to data before training."""
    parts = graph.read(cvae)
    layers = parts.standardize, parts.pseudo_inputs
    is_new = any(layer is not None and not layer.is_adapted for layer in layers)
    return is_new or (parts.condition is not None and parts.condition.needs_data)


def adapt(cvae, sample: Mapping[str, np.ndarray]) -> None:
    """Adapts the parts of a model that have not been adapted yet.

    Args:
        cvae: A `CVAE`.
        sample: Checked examples to adapt to: a dict of arrays by the names of the inputs.
    """
    parts = graph.read(cvae)
    if parts.condition is not None:
        parts.condition.adapt_once(sample)
    images = sample[cvae.input_names[0]]
    if parts.standardize is not None and not parts.standardize.is_adapted:
        learn_scale(parts, images)
    if parts.pseudo_inputs is not None and not parts.pseudo_inputs.is_adapted:
        rows = parts.pseudo_inputs.choose(len(images))
        model = graph.cut_encoder_inputs(cvae)
        chosen = [sample[tensor.name][rows] for tensor in model.inputs]
        outputs = batched.predict(model, chosen if len(chosen) > 1 else chosen[0])
        shapes = parts.pseudo_inputs.shapes
        examples = keras.tree.flatten(outputs)[: len(shapes)]
        if [rows.shape[1:] for rows in examples] == shapes:  # a user's graph may differ
            parts.pseudo_inputs.adapt(examples)


def learn_scale(parts: graph.Parts, images: np.ndarray) -> None:
    """Adapts the likelihood and the encoder's input to the scale of the data.

    Args:
        parts: The parts of the model.
        images: Checked images or rows, of shape `(count, *image_shape)`.
    """
    parts.standardize.adapt(images)
    parts.likelihood.standardize(*parts.standardize.learned)
