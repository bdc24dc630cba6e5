"""The calls of layers that a functional model consists of: Keras's own records of them."""

from __future__ import annotations

from collections.abc import Callable

import keras

from keras_cvae.types import Tensor


def _node(tensor):
    layer, index, _ = tensor._keras_history
    return layer._inbound_nodes[index]


def origin(tensor) -> tuple:
    """Returns the origin of a symbolic tensor: the layer, the inputs of its call, its index."""
    layer, _, index = tensor._keras_history
    return layer, list(_node(tensor).input_tensors), index


def arguments(model: keras.Model, layer: keras.layers.Layer) -> tuple[tuple, dict]:
    """Returns the arguments, by position and by name, with which a layer is called in a model."""
    (call,) = (
        call
        for index, call in enumerate(layer._inbound_nodes)
        if f"{id(layer)}_ib-{index}" in model._nodes
    )
    return call.arguments.args, call.arguments.kwargs


def again(tensor, first: keras.layers.Layer, call: Callable) -> Tensor:
    """Calls the layers between a layer and a symbolic tensor once more.

    Args:
        tensor: A symbolic tensor that depends on the layer.
        first: The layer.
        call: Function `(layer, output, args, kwargs)` that calls a layer and returns its outputs;
            `output` is the first tensor that the layer returned before.

    Returns:
        The symbolic tensor in the place of `tensor`.
    """
    called, needed = {}, {}

    def depends(tensor):
        node = _node(tensor)
        if id(node) not in needed:
            is_first = node.operation is first
            needed[id(node)] = is_first or any(map(depends, node.input_tensors))
        return needed[id(node)]

    def new(tensor):
        if not depends(tensor):
            return tensor
        node = _node(tensor)
        if id(node) not in called:
            by_id = {id(argument): new(argument) for argument in node.input_tensors}
            args, kwargs = node.arguments.fill_in(by_id)
            outputs = call(node.operation, node.outputs[0], args, kwargs)
            called[id(node)] = keras.tree.flatten(outputs)
        return called[id(node)][tensor._keras_history.tensor_index]

    return new(tensor)


def rewire(model: keras.Model, outputs) -> None:
    """Makes a functional model one of other outputs, in place.

    It is what `type(model)(model.input, outputs)` builds, and keeps its name, whether it is
    trainable and how it was compiled: its optimizer too, where the weights that are trained are the
    same, or else a new one of the same settings. What was computed from its graph, the values of
    cached properties, is dropped.

    Args:
        model: A functional model.
        outputs: Symbolic tensors that depend on its inputs.
    """
    inputs = model.inputs if len(model.inputs) > 1 else model.inputs[0]
    other = type(model)(inputs, outputs, name=model.name, trainable=model.trainable)
    if model.compiled:
        optimizer = model.optimizer
        is_same = [*map(id, model.trainable_variables)] == [*map(id, other.trainable_variables)]
        other.compile_from_config(model.get_compile_config())
        if is_same:
            other.optimizer = optimizer
    vars(model).clear()
    vars(model).update(vars(other))
