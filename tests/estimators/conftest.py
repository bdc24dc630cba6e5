"""What tests of estimators share."""

import keras
import pytest


@pytest.fixture
def uncompiled():
    """Fits of a few steps cost what compiling them does; and one backend is enough for many."""
    if keras.backend.backend() != "tensorflow":
        pytest.skip("many fits, shown on TensorFlow: estimators have no code of a backend's own")
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
