"""Several processes that train one model together, on the JAX backend.

Each runs the same program on the same data and takes its share of every batch. All hold the same
weights and make the same calls; what goes to files, process 0 alone writes.
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

HEARTBEAT = 30  # seconds without a sign of life, after which a process counts as lost


def join(count: int, coordinator: str | None = None, number: int | None = None) -> None:
    """Joins processes, whose devices then share every batch of `fit` and `evaluate`.

    Set the seed before, the same in all processes: weights and noise are to be equal.

    Args:
        count: The number of processes. With 1, nothing is joined, and the devices of this process
            share the batches.
        coordinator: Host and port of process 0, such as `"10.0.0.1:1234"`, where there are others.
        number: Which of the processes this is, from 0.

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
    """Returns which of the processes this is, from 0; 0 where it is the only one."""
    if not are_several():
        return 0
    import jax

    return jax.process_index()


def agree(value: bool) -> bool:
    """Returns what process 0 passed, in every process."""
    if not are_several():
        return value
    from jax.experimental import multihost_utils

    return bool(multihost_utils.broadcast_one_to_all(np.bool_(value)))


def own_folder(folder: Path) -> Path:
    """Returns the folder in process 0; in others a temporary one, for files that nobody needs."""
    if number() == 0:
        return folder
    other = Path(tempfile.mkdtemp())
    atexit.register(functools.partial(shutil.rmtree, other, ignore_errors=True))
    return other


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Ends this process soon after an error: by itself JAX would wait for the other processes.

    Raises:
        ConnectionError: In place of what JAX raises where another process is lost.
    """
    try:
        yield
    except BaseException as error:
        if are_several():
            atexit.register(_end, 130 if isinstance(error, KeyboardInterrupt) else 2)
            if isinstance(error, Exception) and not isinstance(error, ArgumentError):
                message = f"The processes of a training end together. Received: {error}"
                raise ConnectionError(message) from error
        raise


def _end(code):
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
