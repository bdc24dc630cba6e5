"""The command `keras-cvae`, from its first moment on: while Keras and a backend are imported.

Those are seconds in which Ctrl-C may come, the backend may turn out to be missing, and TensorFlow
tells of itself. It is a module beside the package, since to import the package is to import Keras.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile

BACKENDS = "tensorflow", "jax", "torch"
LOG_LEVEL, QUIET = "TF_CPP_MIN_LOG_LEVEL", "3"
LOG_LINES = b"I0000", b"W0000", b"WARNING: All log messages before absl::InitializeLog()"


def main() -> None:
    """Runs the command.

    TensorFlow's own log is shown where the environment sets `TF_CPP_MIN_LOG_LEVEL`, 0 for all.

    Raises:
        SystemExit: Always.
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
        from keras_cvae import cli
    cli.main()


@contextlib.contextmanager
def _stops_at_once():
    """Lets Ctrl-C end the process: an exception may be lost in whatever is being imported."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:  # under nohup, say
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
def without_log():
    """Leaves out lines that are logged before TensorFlow looks at the level of its log.

    Where that level is another than `QUIET`, it does nothing.
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


if __name__ == "__main__":
    main()
