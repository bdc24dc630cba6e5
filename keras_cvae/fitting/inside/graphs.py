"""Functional models as graphs of calls of layers, which can be repeated."""

from __future__ import annotations

from typing import Any

import keras


def layers(model: keras.Model) -> list:
    """Returns all layers of a model, including the model itself and nested layers."""
    flatten = getattr(model, "_flatten_layers", lambda: [model, *model.layers])
    return list(flatten())


def layer_by_layer(model: keras.Model, tensors) -> Any:
    """Calls a functional model on symbolic tensors one layer at a time, not as one nested layer.

    Args:
        model: A functional Keras model.
        tensors: A symbolic tensor, or a list of them, as the model takes them.

    Returns:
        The model's symbolic outputs, of the same layers.
    """
    run = getattr(model, "_run_through_graph", None)
    if run is None:  # in a later Keras
        return model(tensors)
    return run(tensors, call_fn=lambda layer, *args, **kwargs: layer(*args, **kwargs))


def model_between(inputs: list, outputs, name: str) -> keras.Model:
    """Returns `keras.Model(inputs, outputs)`, whose inputs may be inner tensors of a graph.

    Keras copies the layer calls between them and records new calls of the `keras.Input`s among
    them; these records are undone, so that the graph stays as it was.
    """
    before = [tensor._keras_history for tensor in inputs]
    try:
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
    finally:
        for tensor, history in zip(inputs, before, strict=True):
            tensor._keras_history = history


def call_first(model: keras.Model, part: keras.Model) -> None:
    """Makes `layer.output` the layer's output in a flat model, not that in the nested part.

    `layer.output` is the output of a layer's first call. The layers of a part that `layer_by_layer`
    called were first called in the part itself, so a model built on
    `flat.get_layer(name).output` would have the part's inputs. The two calls change places.

    Args:
        model: The flat model, built last from the outputs of `layer_by_layer`.
        part: The functional model that `layer_by_layer` called.
    """
    if not hasattr(keras.layers.Layer, "output") or not isinstance(getattr(part, "_nodes", 0), set):
        return  # in a later Keras
    shared = {id(layer) for layer in part.layers} & {id(layer) for layer in model.layers}
    for layer in model.layers:
        calls = layer._inbound_nodes
        last = len(calls) - 1
        if id(layer) not in shared or f"{id(layer)}_ib-0" not in part._nodes:
            continue
        calls[0], calls[last] = calls[last], calls[0]
        for index in (0, last):
            for tensor in calls[index].outputs:
                tensor._keras_history = tensor._keras_history._replace(node_index=index)
        keys = [f"{id(layer)}_ib-{index}" for index in (0, last)]
        for owner, before, now in ((part, *keys), (model, *keys[::-1])):
            owner._nodes.remove(before)
            owner._nodes.add(now)
