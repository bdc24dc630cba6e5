"""TensorFlow's warning of retracing."""

import logging

import pytest

from keras_cvae.fitting import retracing


@pytest.mark.once
def test_only_the_warning_of_retracing_is_silenced_and_only_inside():
    logger, seen = logging.getLogger("tensorflow"), []
    handler = logging.Handler()
    handler.emit = lambda record: seen.append(record.getMessage())
    logger.addHandler(handler)
    warning = "5 out of the last 5 calls to loop triggered tf.function retracing"
    try:
        with retracing.silence():
            logger.error(warning)
            logger.error("another")
        logger.error(warning)
    finally:
        logger.removeHandler(handler)
    assert seen == ["another", warning]
