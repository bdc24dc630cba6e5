"""Graphs that TensorFlow would keep until the process ends: those with a custom gradient."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def released() -> Iterator[None]:
    """Within it, functions of custom gradients are kept no longer than it lasts.

    Where a graph calls a function with a gradient of its own (so does Keras itself where it sums
    gradients over replicas), TensorFlow registers that gradient under a new name, for ever, and
    with it the graph, the model's program. All gradients of the graph must be taken within. Eager
    calls, other backends and several replicas, which take turns in one graph, are left as they are.
    """
    registry = _registry()
    if registry is None:
        yield
        return
    count = len(registry)
    try:
        yield
    finally:
        for name in list(registry)[count:] if len(registry) > count else ():
            if name.startswith("CustomGradient-"):
                del registry[name]


def _registry() -> dict | None:
    """TensorFlow's functions of gradients by name, where this is TensorFlow with one replica."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return None
    ops = sys.modules.get("tensorflow.python.framework.ops")
    return getattr(getattr(ops, "gradient_registry", None), "_registry", None)
