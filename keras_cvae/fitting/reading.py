"""Reading ahead of use, in a thread of its own."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator

import keras

AHEAD = 2  # items that are ready or being read, beside the one in use


def tensors(batch):
    """A nested structure of arrays as tensors of the backend."""
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch)


def ahead(items: Iterator) -> Iterator:
    """Yields what an iterator does, which a thread of its own runs ahead, and raises what it does.

    At most two items are ready or being read beside the one in use. The thread ends with the
    iterator, or when this one is closed.
    """
    found, room = queue.SimpleQueue(), threading.Semaphore(AHEAD)
    is_closed = False

    def read():
        failure = None
        try:
            while room.acquire() and not is_closed:
                found.put((next(items), None))
        except BaseException as error:
            failure = error
        found.put((None, failure))

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            item, failure = found.get()
            room.release()
            if isinstance(failure, StopIteration):
                return
            if failure is not None:
                raise failure
            yield item
    finally:
        is_closed = True
        room.release()
        thread.join()
