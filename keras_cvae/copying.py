"""The rule of ownership: a model has copies of the parts that it is built from, weights included.

Two models that are built from the same object share no weights, and training one changes neither
the other nor the object.
"""

from __future__ import annotations

import inspect
import textwrap
import types
import warnings
from collections.abc import Callable
from typing import Any

import keras

from keras_cvae.checks import ArgumentError
from keras_cvae.fitting import inside

OF_EVERY_LAYER = "name", "trainable", "dtype"


def copy_of(part: keras.layers.Layer, **changes) -> keras.layers.Layer:
    """Copies a layer or a model, with its weights if it is built.

    Args:
        part: A Keras layer or model, copied by its `get_config`. Its classes need not be registered
            with Keras.
        **changes: Arguments of the copy that differ, such as `name`.

    Returns:
        A layer of the same class, which is not in a graph yet.

    Raises:
        ValueError: If it cannot be created from its config.
    """
    kinds = {type(layer) for layer in inside.layers(part)}
    own = {kind for kind in kinds if not kind.__module__.startswith(("keras.", "keras_cvae."))}
    makers = {keras.saving.get_registered_name(kind): _maker(kind) for kind in own}
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is unsafe in a file alone
            return _made_again(part, changes, makers)
    except (TypeError, ValueError, NotImplementedError) as error:
        lines = str(error).strip().splitlines()
        lines = lines if type(error) is NotImplementedError else lines[-1:]
        reason = textwrap.shorten(" ".join(lines), 200)
        raise ArgumentError(
            None,
            f"{type(part).__name__} must have a `get_config`, as must the layers in it, and its "
            "functions must be registered with `keras.saving.register_keras_serializable`: a model "
            "trains copies of its parts, and can be saved",
            f"{reason}",
        ) from error


def own(get: Callable, identifier, name: str) -> Any:
    """Returns a new part of a model, or a copy of `identifier` if it is a layer.

    Args:
        get: The `get` of the part's family.
        identifier: Argument of `get`.
        name: Name of the part.
    """
    part = get(identifier, name=name)
    is_layer = part is identifier and isinstance(part, keras.layers.Layer)
    return copy_of(part, name=name) if is_layer else part


def _made_again(part, changes, makers):
    config = keras.saving.serialize_keras_object(part)
    config.pop("compile_config", None)
    config["config"] = {**config["config"], **changes}
    twin = keras.saving.deserialize_keras_object(config, makers, safe_mode=False)
    shape = (part.get_build_config() or {}).get("input_shape")
    if len(twin.weights) < len(part.weights) and shape:  # layers in it, which a call builds
        twin(keras.KerasTensor(shape))
    twin.set_weights(part.get_weights())
    return twin


def _maker(kind):
    """Returns a maker of layers of a class that may not take the arguments of every layer."""

    def from_config(config):
        parameters = inspect.signature(kind.__init__).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        unknown = {*OF_EVERY_LAYER} - parameters.keys() if not takes_all else set()
        return kind.from_config({k: v for k, v in config.items() if k not in unknown})

    return types.SimpleNamespace(from_config=from_config)
