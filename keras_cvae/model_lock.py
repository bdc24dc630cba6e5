"""A lock for each model, so that threads can share it.

A call reads the state of a model and replaces it: on JAX its buffers are donated, and on all
backends the states of its random generators are set. Calls from other threads wait until it ends.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_POLL = 0.05  # seconds
_LOCKS: weakref.WeakKeyDictionary[Any, _ModelLock] = weakref.WeakKeyDictionary()
_CREATION = threading.Lock()

AnyFunction = TypeVar("AnyFunction", bound=Callable)


class _ModelLock:
    """The lock of a model, and the number of the thread that trains it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.trainer = None


@contextlib.contextmanager
def locked(cvae, trains: bool = False) -> Iterator[None]:
    """Waits until no other thread uses the model, and makes others wait inside the context.

    Args:
        cvae: A `CVAE`.
        trains: Whether the model is trained inside the context. Calls from other threads then
            raise an error instead of waiting.

    Raises:
        RuntimeError: If another thread trains the model.
    """
    with _CREATION:
        model = _LOCKS.setdefault(cvae, _ModelLock())
    thread = threading.get_ident()
    while not model.lock.acquire(timeout=_POLL):
        if model.trainer not in (None, thread):
            raise RuntimeError(
                "The model is in training in another thread. Use it after `fit` has returned, or "
                "load a saved copy, such as the `model.keras` that a run has after each epoch."
            )
    before = model.trainer
    try:
        if trains:
            model.trainer = thread
        yield
    finally:
        model.trainer = before
        model.lock.release()


def one_at_a_time(function: AnyFunction) -> AnyFunction:
    """Decorates a function whose first argument is a `CVAE`: threads call it one after another."""
    return _with_lock(function, trains=False)


def while_training(function: AnyFunction) -> AnyFunction:
    """Decorates a function that trains its first argument, a `CVAE`: other threads are refused."""
    return _with_lock(function, trains=True)


def _with_lock(function, trains):
    @functools.wraps(function)
    def call(cvae, *args, **kwargs):
        with locked(cvae, trains):
            return function(cvae, *args, **kwargs)

    return call
