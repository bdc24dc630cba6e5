"""Reading ahead of use, in a thread of its own."""

from __future__ import annotations

import functools
import queue
import sys
import threading
from collections.abc import Iterator

import keras
from threadpoolctl import ThreadpoolController

AHEAD = 2  # items that are ready or being read, beside the one in use


def tensors(batch):
    """A nested structure of arrays as tensors of the backend, but for JAX, whose steps take arrays.

    Slicing an array of JAX costs more than copying a batch to the device.
    """
    if keras.backend.backend() == "jax":
        return batch
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


def single_threaded(items: Iterator) -> Iterator:
    """Yields what an iterator does, which takes no threads of OpenMP beside that of the caller.

    Where a stream uses torch it would start a team of its own for the thread that reads, whose
    waiting keeps the cores from those who train.
    """
    if "torch" in sys.modules:  # it sets its own number in each thread that first asks for it
        sys.modules["torch"].get_num_threads()
    with _controller().limit(limits=1, user_api="openmp"):
        yield from items


def let_go(items: Iterator) -> None:
    """Ends an iterator in a thread of its own: one of `tf.data` may take half a second, idle."""
    threading.Thread(target=getattr(items, "close", lambda: None), name="end of a stream").start()


@functools.cache
def _controller():
    return ThreadpoolController()
