"""Graphs with custom gradients, which TensorFlow would keep until the process ends."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import keras


@contextlib.contextmanager
def forget() -> Iterator[None]:
    """Makes TensorFlow forget the custom gradients that it registers inside the context.

    Where a graph calls a function with a custom gradient (Keras itself does where it sums gradients
    over replicas), TensorFlow registers that gradient under a new name for good, and with it the
    graph, which is the model's program. All gradients of the graph must be taken inside the
    context. Eager calls, other backends and several replicas, which take turns in one graph, are
    not affected.
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
    """Returns TensorFlow's registry of gradient functions; None on other backends or replicas."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        return None
    ops = sys.modules.get("tensorflow.python.framework.ops")
    return getattr(getattr(ops, "gradient_registry", None), "_registry", None)
