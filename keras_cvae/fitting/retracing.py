"""TensorFlow's warning of functions that it traces again and again."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Silences the warning inside the context.

    TensorFlow counts functions by the line that defines them, and so takes the functions of several
    models, each traced once, for one function that is traced for every call.
    """
    logger = logging.getLogger("tensorflow")

    def is_other(record: logging.LogRecord) -> bool:
        return "triggered tf.function retracing" not in record.getMessage()

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
