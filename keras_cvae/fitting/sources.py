"""The data of `fit` and `evaluate`: which of them fused steps take, and in blocks of what size."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from keras_cvae.data import inputs
from keras_cvae.fitting import blocks, inside
from keras_cvae.fitting.blocks import Blocks
from keras_cvae.fitting.callbacks import looks_at_batches
from keras_cvae.fitting.streams import Streams


def arguments(method: Callable, *args, **kwargs) -> dict[str, Any]:
    """Returns the arguments of a call by name, including defaults."""
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    options = dict(bound.arguments)
    return {**options.pop("kwargs", {}), **options}


def can_be_fused(
    model: keras.Model, data: tuple, options: dict[str, Any], batches: int | None
) -> bool:
    """Returns whether fused steps can take data: arrays or a stream, without separate weights.

    Args:
        model: The model.
        data: `(x, y)`.
        options: Arguments of `fit` or `evaluate`.
        batches: Number of batches of an epoch, if the user has set it.
    """
    if inputs.is_stream(data[0]):
        is_supported = inside.may_count(model)
    else:
        is_supported = blocks.are_arrays(*data) and not batches
    weights = options["sample_weight"], options.get("class_weight")
    is_within_fit = isinstance(options["callbacks"], keras.callbacks.CallbackList)
    return is_supported and all(weight is None for weight in weights) and not is_within_fit


def steps(kind: str, callbacks, steps: int | str) -> int | str:
    """Returns the number of batches of a block: 1 for `"auto"` if a callback looks at batches.

    Args:
        kind: `"train"` or `"test"`.
        callbacks: The callbacks of `fit` or `evaluate`, or None.
        steps: What the model is compiled with.
    """
    callbacks = keras.tree.flatten(callbacks or [])
    is_watched = any(looks_at_batches(callback, kind) for callback in callbacks)
    return 1 if steps == "auto" and is_watched else steps


def source(
    model: keras.Model,
    data: tuple,
    batch_size: int | None,
    batches: int | None,
    steps: int | str,
    shuffle: bool,
) -> Blocks | Streams:
    """Returns data as the input of fused steps.

    Args:
        model: The model.
        data: `(x, y)`.
        batch_size: Number of rows of a batch of arrays, by default 32.
        batches: Number of batches of an epoch of a stream, by default its length.
        steps: Number of batches of a block, or `"auto"`.
        shuffle: Whether to shuffle the rows of arrays in each epoch.
    """
    x, y = data
    if inputs.is_stream(x):
        return Streams(model, inside.adapter(x, y, shuffle=shuffle), steps, batches)
    arrays = tuple(part for part in data if part is not None)
    return Blocks(arrays, batch_size or 32, steps, shuffle)


def split_off(options: dict[str, Any]) -> dict[str, Any]:
    """Returns the arguments of `fit` with `validation_split` replaced by `validation_data`.

    With weights the arrays are only checked, and Keras splits all three.

    Args:
        options: Arguments of `fit`.

    Raises:
        ValueError: If no row is left for training, or none for validation.
    """
    x, y, fraction = options["x"], options["y"], options["validation_split"]
    if not fraction or options["validation_data"] is not None or not blocks.are_arrays(x, y):
        return options
    parts = blocks.split(x, y, fraction)
    return options if options["sample_weight"] is not None else {**options, **parts}


def batches(options: dict[str, Any]) -> int | None:
    """Returns the number of batches of an epoch where Keras takes the steps; None if unknown.

    Args:
        options: Arguments of `fit`.
    """
    x = options["x"]
    if options["steps_per_epoch"]:
        return options["steps_per_epoch"]
    if inputs.is_stream(x) or inside.is_adapted(x):
        return getattr(x, "num_batches", None)
    count = len(keras.tree.flatten(x)[0])
    return -(-count // (options["batch_size"] or 32))
