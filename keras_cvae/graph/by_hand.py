"""Identifies the parts of a graph that a user wired, by following the tensors of its loss layers.

inputs -> z_mean, z_log_var, the inputs of the divergence
z: the first tensor that depends on both
z, inputs -> the likelihood's parameters, an input of `ReconstructionLoss`
"""

from __future__ import annotations

import dataclasses
import types

import keras
import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.conditions.base import Condition
from keras_cvae.data import class_labels, intake
from keras_cvae.fitting import inside
from keras_cvae.fitting.inside import calls
from keras_cvae.graph.parts import Group, Parts, by_name
from keras_cvae.layers import ImageModel


class RawInputs(Condition):
    """The inputs other than the image, unchanged: the user's graph embeds them.

    Args:
        tensors: The symbolic inputs.
        conditions: Dict from the names of some inputs to the `Condition` of the graph that embeds
            each.
    """

    def __init__(self, tensors, conditions):
        super().__init__(name="condition")
        self.shapes = {t.name: (tuple(t.shape[1:]), t.dtype) for t in tensors}
        self._conditions = types.SimpleNamespace(by_name=conditions)  # not tracked as sublayers

    def known_y(self, inputs) -> list:
        return list(inputs)

    def check(self, values, count, name="y") -> dict:
        if not isinstance(values, dict):
            values = dict.fromkeys(self.shapes, values)
        return {key: self._check(key, values.get(key), count, name) for key in self.shapes}

    def _check(self, key, values, count, name):
        shape, dtype = self.shapes[key]
        if key in self._conditions.by_name:
            (checked,) = self._conditions.by_name[key].check(values, count, name).values()
            if checked.shape == (count,) and len(shape) == 1 and shape[0] > 1:  # of one-hot vectors
                return intake.by_shape(checked, shape, dtype, count, name)
            return checked.reshape(count, *shape)
        if values is None:
            raise ArgumentError(name, f"must have values for the input `{key}`", "None")
        if np.ndim(values) == 0 or (shape and np.shape(values) == shape and count != shape[0]):
            values = np.broadcast_to(values, (count, *np.shape(values)))  # one for all
        return intake.by_shape(values, shape, dtype, count, name)

    def check_by_name(self, values, count) -> dict:
        return self.check(values, count)

    def describe_missing(self, values=None) -> list[str]:
        return self._describe("describe_missing", values)

    def describe_untrained(self, values) -> list[str]:
        return self._describe("describe_untrained", values)

    def _describe(self, method, values):
        """Returns the sentences of every condition of the graph that embeds an input."""
        sentences = []
        for key, condition in self._conditions.by_name.items():
            own = None
            if values is not None:
                ((name, tensor),) = condition.inputs().items()
                value = values[key]
                if np.ndim(value) == 2 and value.shape[1] > 1 and len(tensor.shape) == 1:
                    value = class_labels.from_one_hot(value, key)
                own = {name: np.reshape(value, (-1, *tensor.shape[1:]))}
            sentences += getattr(condition, method)(own)
        return sentences


@dataclasses.dataclass
class PartsByHand(Parts):
    """The parts of a graph that a user wired.

    Attributes:
        context: Model from the pseudo-inputs, if there are any, and the inputs other than the
            image, to the argument `y` of the prior; None for a prior that does not depend on y.
    """

    context: keras.Model | None = None

    def prior_arguments(self, group, context, tensor) -> dict:
        if self.context is None:
            return {}
        starts = keras.tree.flatten(self.pseudo_inputs(tensor)) if self.pseudo_inputs else []
        starts = [*starts, *(context or [])]
        return {"y": self.context(starts if len(starts) > 1 else starts[0])}


def read(model, divergence, reconstruction) -> Parts:
    """Identifies the parts of a graph that a user wired.

    Args:
        model: A `CVAE`.
        divergence: Its loss layer of the KL divergence.
        reconstruction: Its loss layer of the likelihood.

    Returns:
        The parts.

    Raises:
        ValueError: If a part is missing.
    """
    ((mean, log_var, *_), *y), named = calls.arguments(model, divergence)
    ((_, parameters, *_), *_), _ = calls.arguments(model, reconstruction)
    encoder = keras.Model(model.inputs, [mean, log_var], name="encoder")
    others, z = model.inputs[1:], find_z(parameters, divergence, mean, log_var)
    refused = (
        "must depend only on z and inputs other than the image; z is the first tensor that "
        "depends on both z_mean and z_log_var"
    )
    decoder = _between([z, *others], parameters, "decoder", f"The decoder of a `CVAE` {refused}")
    group = Group(0, mean.shape[-1], divergence.prior)
    condition = RawInputs(others, _conditions_of_inputs(model, others)) if others else None
    parts = PartsByHand(encoder, [group], decoder, reconstruction.likelihood, condition)
    y = named.get("y", *y)
    if y is not None:
        parts.pseudo_inputs = by_name(model).get("pseudo_inputs")
        starts = keras.tree.flatten(parts.pseudo_inputs.output) if parts.pseudo_inputs else []
        refused = (
            "The argument y of the prior of a `CVAE` must depend only on inputs other than the "
            "image, or on a layer `pseudo_inputs`, which `prior.pseudo_inputs` makes"
        )
        ids = {id(tensor) for tensor in others}
        y = keras.tree.map_structure(  # Keras refuses a model whose output is its input
            lambda tensor: keras.layers.Identity()(tensor) if id(tensor) in ids else tensor, y
        )
        parts.context = _between([*starts, *others], y, "prior_inputs", refused)
    return parts


def _between(inputs, outputs, name, expected):
    """Returns the model between symbolic tensors of a graph, or raises `ArgumentError`."""
    try:
        if not inputs:
            raise ValueError
        return inside.model_between(inputs, outputs, name)
    except ValueError as error:
        raise ArgumentError(None, expected, "a graph in which it depends on others") from error


def _conditions_of_inputs(model, inputs):
    """Returns the conditions that embed single inputs of a model, by the names of the inputs."""
    names = {id(tensor): tensor.name for tensor in inputs}
    embedded = {}
    for layer in by_name(model).values():
        parts = by_name(layer).get("condition") if isinstance(layer, ImageModel) else layer
        if isinstance(parts, Condition) and not parts.infers and len(parts.inputs()) == 1:
            tensors = keras.tree.flatten(calls.arguments(model, layer)[0])
            embedded |= {names[id(t)]: parts for t in tensors if id(t) in names}
    return embedded


def find_z(parameters, divergence, mean, log_var) -> keras.KerasTensor:
    """Returns z, the first tensor that depends on both z_mean and z_log_var.

    Args:
        parameters: Symbolic parameters of the likelihood.
        divergence: The loss layer of the KL divergence.
        mean: Symbolic z_mean.
        log_var: Symbolic z_log_var.

    Raises:
        ValueError: If the parameters do not depend on both.
    """
    seen = {}

    def before(tensor):
        """Returns the tensors from which a tensor is computed; a divergence returns its inputs."""
        layer, inputs, index = calls.origin(tensor)
        return before(inputs[index]) if layer is divergence else inputs

    def sources(tensor):
        """Returns which of the two a tensor depends on."""
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
        raise ArgumentError(
            None,
            "A `CVAE` must have a decoder of z, which `Sampling` samples from z_mean and z_log_var",
            "a graph in which the likelihood's parameters do not depend on both",
        )
    tensor = parameters
    while earlier := [t for t in before(tensor) if sources(t) == both]:
        tensor = earlier[0]
    return tensor
