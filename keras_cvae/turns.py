"""One call of a model at a time, so that threads can share it.

A call reads the state of a model and replaces it: on JAX its buffers are donated, and everywhere
the states of its random generators are set. Calls of other threads wait until it has ended.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_POLL = 0.05  # seconds
_TURNS: weakref.WeakKeyDictionary[Any, _Turn] = weakref.WeakKeyDictionary()
_MAKING = threading.Lock()

AnyFunction = TypeVar("AnyFunction", bound=Callable)


class _Turn:
    """The lock of a model, and the thread that trains it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.trainer = None


@contextlib.contextmanager
def turn(cvae, trains: bool = False) -> Iterator[None]:
    """Waits until no other thread uses the model, and keeps them waiting.

    Args:
        cvae: A `CVAE`.
        trains: Whether it is trained, for as long as which other threads are refused.

    Raises:
        RuntimeError: If another thread trains the model.
    """
    with _MAKING:
        mine = _TURNS.setdefault(cvae, _Turn())
    thread = threading.get_ident()
    while not mine.lock.acquire(timeout=_POLL):
        if mine.trainer not in (None, thread):
            raise RuntimeError(
                "The model is in training in another thread. Use it after `fit` has returned, or "
                "load a saved copy, such as the `model.keras` that a run has after each epoch."
            )
    before = mine.trainer
    try:
        if trains:
            mine.trainer = thread
        yield
    finally:
        mine.trainer = before
        mine.lock.release()


def one_at_a_time(function: AnyFunction) -> AnyFunction:
    """Lets threads call a function of a `CVAE`, its first argument, one after another."""
    return _decorated(function, trains=False)


def while_training(function: AnyFunction) -> AnyFunction:
    """As `one_at_a_time`; and other threads are refused until the function returns."""
    return _decorated(function, trains=True)


def _decorated(function, trains):
    @functools.wraps(function)
    def alone(cvae, *args, **kwargs):
        with turn(cvae, trains):
            return function(cvae, *args, **kwargs)

    return alone
