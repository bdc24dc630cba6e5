"""Reads data in advance, in a thread."""

from __future__ import annotations

import functools
import queue
import sys
import threading
import zlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
from threadpoolctl import ThreadpoolController

AHEAD = 2  # items that are ready or being read, besides the one in use


def tensors(batch) -> Any:
    """Converts a nested structure of arrays to tensors of the backend, except on JAX.

    Slicing an array of JAX takes longer than copying a batch to the device.
    """
    if keras.backend.backend() == "jax":
        return batch
    return keras.tree.map_structure(keras.ops.convert_to_tensor, batch)


def checksum(array: np.ndarray, before: int = 0) -> int:
    """Returns a checksum of an array's values, and of those of the arrays before it."""
    return zlib.crc32(np.ascontiguousarray(array).view("uint8").data, before)


def ahead(items: Iterator) -> Iterator:
    """Yields the items of an iterator, which a thread reads ahead, and raises its errors.

    At most two items are ready or being read besides the one in use. The thread ends with the
    iterator, or when this generator is closed.
    """
    items_read, room = queue.SimpleQueue(), threading.Semaphore(AHEAD)
    is_closed = False

    def read():
        failure = None
        try:
            while room.acquire() and not is_closed:
                items_read.put((next(items), None))
        except BaseException as error:
            failure = error
        items_read.put((None, failure))

    thread = threading.Thread(target=read, name="reader", daemon=True)
    thread.start()
    try:
        while True:
            item, failure = items_read.get()
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


def single_threaded(items: Iterator) -> Iterator:
    """Yields the items of an iterator, computed without further threads of OpenMP.

    A stream that uses torch would start a team of threads for the thread that reads, whose waiting
    takes the cores from training.
    """
    if "torch" in sys.modules:  # in each thread it sets its number of threads at the first call
        sys.modules["torch"].get_num_threads()
    with _controller().limit(limits=1, user_api="openmp"):
        yield from items


def close_in_thread(items: Iterator) -> None:
    """Closes an iterator in a thread: one of `tf.data` may wait for half a second."""
    threading.Thread(target=getattr(items, "close", lambda: None), name="end of a stream").start()


@functools.cache
def _controller():
    return ThreadpoolController()
