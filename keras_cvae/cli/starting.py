"""The first seconds of a command, while Keras and a backend are imported.

It handles Ctrl-C, a backend that is not installed, and the log of TensorFlow.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator

BACKENDS = "tensorflow", "jax", "torch"
LOG_LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
LOG_LINES = b"I0000", b"W0000", b"WARNING: All log messages before absl::InitializeLog()"


def import_package(run_init: Callable[[], None]) -> None:
    """Imports Keras, its backend and this package.

    Args:
        run_init: Function that runs the package's `__init__`.

    Raises:
        SystemExit: If `KERAS_BACKEND` names a backend that is not installed.
    """
    os.environ.setdefault(LOG_LEVEL, QUIET)
    with _stops_at_once(), without_log():
        try:
            import keras

            if keras.backend.backend() not in BACKENDS:
                raise ValueError(keras.backend.backend())
        except (ImportError, ValueError) as error:
            print(
                "keras-cvae: `KERAS_BACKEND` (else ~/.keras/keras.json) must name a backend that "
                f"is installed: {', '.join(BACKENDS)}. Received: {' '.join(str(error).split())}",
                file=sys.stderr,
            )
            sys.exit(2)
        run_init()


@contextlib.contextmanager
def _stops_at_once():
    """Makes Ctrl-C end the process at once: during an import an exception may be ignored."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # such as under nohup
        yield
        return
    stderr = os.dup(2)

    def stop(number, frame):
        os.write(stderr, b"keras-cvae: Stopped\n")
        os._exit(130)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.close(stderr)


@contextlib.contextmanager
def without_log() -> Iterator[None]:
    """Leaves out log lines that TensorFlow writes before it reads its log level.

    If the log level is not `QUIET`, nothing is left out.
    """
    if os.environ.get(LOG_LEVEL) != QUIET:
        yield
        return
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            written.seek(0)
            for line in written:
                if not line.startswith(LOG_LINES):
                    os.write(2, line)
            os.close(stderr)
