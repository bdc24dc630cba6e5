"""Training of one model by several processes, on the JAX backend.

Every process runs the same program on the same data, and computes a part of every batch. All have
the same weights and make the same calls. Only process 0 writes files.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np

from keras_cvae.checks import ArgumentError, require

HEARTBEAT = 30  # seconds without a heartbeat, after which a process counts as lost


def join(count: int, coordinator: str | None = None, number: int | None = None) -> None:
    """Joins processes, whose devices then share every batch of `fit` and `evaluate`.

    Set the same seed in all processes beforehand, so that weights and noise are equal.

    Args:
        count: The number of processes. With 1, only the devices of this process share the batches.
        coordinator: Host and port of process 0, such as `"10.0.0.1:1234"`, if there are several.
        number: The number of this process, from 0.

    Raises:
        ValueError: If an argument is missing or wrong, or the backend is not JAX.
    """
    backend = keras.backend.backend()
    expected = "needs the JAX backend, by the environment variable KERAS_BACKEND=jax"
    require(backend == "jax", "processes", expected, backend)
    require(count >= 1, "processes", "must be an integer of at least 1", count)
    if count > 1:
        address = (coordinator or "").split(",")[0]
        is_address = ":" in address and address.rpartition(":")[2].isdigit()
        expected = "must be the host and port of process 0, such as 10.0.0.1:1234"
        require(is_address, "coordinator", expected, coordinator)
        is_number = number is not None and 0 <= number < count
        expected = f"must be an integer from 0 to {count - 1}, another one in each process"
        require(is_number, "process_id", expected, number)
        import jax

        # As `keras.distribution.initialize`, which waits longer for a process that is lost.
        jax.distributed.initialize(address, count, number, heartbeat_timeout_seconds=HEARTBEAT)
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)


def are_several() -> bool:
    """Returns whether several processes share a `keras.distribution`."""
    return getattr(keras.distribution.distribution(), "num_processes", 1) > 1


def number() -> int:
    """Returns the number of this process, from 0; 0 if it is the only one."""
    if not are_several():
        return 0
    import jax

    return jax.process_index()


def agree(value: bool) -> bool:
    """Returns in every process the value that process 0 passed."""
    if not are_several():
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.bool_(value)))


@contextlib.contextmanager
def apart() -> Iterator[None]:
    """Lets one of several processes create variables without the others, on its own devices.

    Keras creates some to save a model, and waits for all processes to do the same.
    """
    distribution = keras.distribution.distribution() if are_several() else None
    if distribution is not None:
        keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        if distribution is not None:
            keras.distribution.set_distribution(distribution)


def own_folder(folder: Path) -> Path:
    """Returns the folder in process 0, and a temporary folder in other processes.

    Args:
        folder: The folder to write to.
    """
    if number() == 0:
        return folder
    other = Path(tempfile.mkdtemp())
    atexit.register(functools.partial(shutil.rmtree, other, ignore_errors=True))
    return other


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Exits this process after an error inside the context: JAX would wait for the others.

    Raises:
        ConnectionError: In place of the error that JAX raises when another process is lost.
    """
    try:
        yield
    except BaseException as error:
        if are_several():
            atexit.register(_end, 130 if isinstance(error, KeyboardInterrupt) else 2)
            if isinstance(error, Exception) and not isinstance(error, ArgumentError):
                message = f"This process stops, as do the others of the training. Received: {error}"
                raise ConnectionError(message) from error
        raise


def _end(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
