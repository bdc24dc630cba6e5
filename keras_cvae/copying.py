"""Copies of the parts that a model is built from, weights included.

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

LAYER_ARGUMENTS = "name", "trainable", "dtype"


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
    custom = {kind for kind in kinds if not kind.__module__.startswith(("keras.", "keras_cvae."))}
    factories = {keras.saving.get_registered_name(kind): _factory(kind) for kind in custom}
    try:
        with warnings.catch_warnings(action="ignore"):  # about what is unsafe only in files
            return _rebuild(part, changes, factories)
    except (TypeError, ValueError, NotImplementedError) as error:
        lines = str(error).strip().splitlines()
        lines = lines if type(error) is NotImplementedError else lines[-1:]
        reason = textwrap.shorten(" ".join(lines), 200)
        raise ArgumentError(
            None,
            f"{type(part).__name__} must have a `get_config`, as must the layers in it, and its "
            "functions must be registered with `keras.saving.register_keras_serializable`, because "
            "a model trains copies of its parts and can be saved",
            f"{reason}",
        ) from error


def own_copy(get: Callable, identifier, name: str) -> Any:
    """Returns a part that belongs to one model: a new one, or a copy of `identifier`.

    Args:
        get: The function `get` of the part's family, such as `priors.get`.
        identifier: Argument of `get`, a name or an object. A layer is copied.
        name: Name of the part.
    """
    part = get(identifier, name=name)
    is_layer = part is identifier and isinstance(part, keras.layers.Layer)
    return copy_of(part, name=name) if is_layer else part


def _rebuild(part, changes, factories):
    """Creates a layer from the config of another, and copies its weights."""
    config = keras.saving.serialize_keras_object(part)
    config.pop("compile_config", None)
    config["config"] = {**config["config"], **changes}
    new = keras.saving.deserialize_keras_object(config, factories, safe_mode=False)
    shape = (part.get_build_config() or {}).get("input_shape")
    if len(new.weights) < len(part.weights) and shape:  # sublayers that a call builds
        new(keras.KerasTensor(shape))
    new.set_weights(part.get_weights())
    return new


def _factory(kind):
    """Returns an object with a `from_config`, for a class that lacks arguments of other layers."""

    def from_config(config):
        parameters = inspect.signature(kind.__init__).parameters
        takes_all = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
        unknown = {*LAYER_ARGUMENTS} - parameters.keys() if not takes_all else set()
        return kind.from_config({k: v for k, v in config.items() if k not in unknown})

    return types.SimpleNamespace(from_config=from_config)
