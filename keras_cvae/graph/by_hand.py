"""The parts of a graph that a user wired: found by following the tensors of its loss layers.

inputs -> z_mean, z_log_var, which the divergence is given
z: the first tensor that is made of both
z, inputs -> the likelihood's parameters, which `ReconstructionLoss` is given
"""

from __future__ import annotations

import keras
import numpy as np

from keras_cvae.conditions.base import Condition
from keras_cvae.fitting import inside
from keras_cvae.fitting.inside import calls
from keras_cvae.graph.parts import Group, Parts


class AsGiven(Condition):
    """What the inputs behind the image are given, as they are: a graph of the user's embeds it.

    Args:
        tensors: The symbolic inputs.
    """

    def __init__(self, tensors):
        super().__init__(name="condition")
        self.shapes = {t.name: (tuple(t.shape[1:]), t.dtype) for t in tensors}

    def given(self, inputs):
        return list(inputs)

    def check(self, values, count, name="labels"):
        if not isinstance(values, dict):
            values = dict.fromkeys(self.shapes, values)
        checked = {}
        for key, (shape, dtype) in self.shapes.items():
            received = values.get(key)
            if received is None:
                raise ValueError(f"`{name}` must be given for the input `{key}`. Received: None")
            array = np.asarray(keras.ops.convert_to_numpy(received))
            if len(shape) == 1 and shape[0] > 1 and array.ndim <= 1 and array.dtype.kind in "iu":
                array = (array[..., None] == np.arange(shape[0])).astype(dtype)  # -1: all zeros
            if not shape and array.ndim == 2 and array.shape[1] > 1:  # one-hot vectors
                array = np.where(array.any(axis=1), array.argmax(axis=1), -1)
            if array.shape == shape:
                array = np.broadcast_to(array, (count, *shape))
            if array.size == count * int(np.prod(shape)) and array.shape != (count, *shape):
                array = array.reshape(count, *shape)
            if array.shape != (count, *shape):
                raise ValueError(
                    f"`{name}` for the input `{key}` must have the shape {(count, *shape)}. "
                    f"Received: {array.shape}"
                )
            checked[key] = array.astype(dtype)
        return checked

    def check_by_name(self, values, count):
        return self.check(values, count)

    def describe_untrained(self, values):
        return []


def read(model, divergence, reconstruction) -> Parts:
    """Finds the parts of a graph that a user wired.

    Args:
        model: A `CVAE`.
        divergence: Its loss layer of the KL divergence.
        reconstruction: Its loss layer of the likelihood.

    Raises:
        ValueError: If a part is missing.
    """
    ((mean, log_var, *_), *_), _ = calls.arguments(model, divergence)
    ((_, parameters, *_), *_), _ = calls.arguments(model, reconstruction)
    encoder = keras.Model(model.inputs, [mean, log_var], name="encoder")
    others, z = model.inputs[1:], find_z(parameters, divergence, mean, log_var)
    try:
        decoder = inside.model_between([z, *others], parameters, "decoder")
    except ValueError as error:
        raise ValueError(
            "The decoder of a `CVAE` must depend on z and the inputs behind the image alone; the "
            "first tensor made of both z_mean and z_log_var is taken for z. Received: a graph in "
            "which the parameters of the likelihood depend on something else"
        ) from error
    group = Group(0, mean.shape[-1], divergence.prior)
    condition = AsGiven(others) if others else None
    return Parts(encoder, [group], decoder, reconstruction.likelihood, condition)


def find_z(parameters, divergence, mean, log_var):
    """The tensor between posterior and decoder: the first made of both z_mean and z_log_var."""
    seen = {}

    def before(tensor):
        """What a tensor is made of; what a divergence returns is what it was given."""
        layer, inputs, index = calls.origin(tensor)
        return before(inputs[index]) if layer is divergence else inputs

    def sources(tensor):
        """Which of the two a tensor is made of."""
        if id(tensor) not in seen:
            layer, inputs, index = calls.origin(tensor)
            if tensor is mean or tensor is log_var:
                seen[id(tensor)] = {id(tensor)}
            elif layer is divergence:
                seen[id(tensor)] = sources(inputs[index])
            else:
                seen[id(tensor)] = set().union(*map(sources, inputs))
        return seen[id(tensor)]

    both = {id(mean), id(log_var)}
    if sources(parameters) != both:
        raise ValueError(
            "A `CVAE` must have a decoder of z, which `Sampling` draws of z_mean and z_log_var. "
            "Received: a graph in which the likelihood's parameters do not depend on both"
        )
    tensor = parameters
    while earlier := [t for t in before(tensor) if sources(t) == both]:
        tensor = earlier[0]
    return tensor
