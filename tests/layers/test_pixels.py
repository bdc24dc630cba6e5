import keras
import numpy as np
import pytest

from keras_cvae import layers


def numpy(x):
    return keras.ops.convert_to_numpy(x)


def test_unit_interval_scales_the_examples_that_are_not_in_it():
    x = np.float32([[0, 51, 255], [0, 0.2, 1], [0, 0, 0]])
    expected = [[0, 0.2, 1], [0, 0.2, 1], [0, 0, 0]]
    np.testing.assert_allclose(numpy(layers.UnitInterval()(x)), expected, rtol=1e-6)


def test_binarize():
    x = np.float32([[0, 0.4, 0.5, 0.6, 1]])
    np.testing.assert_array_equal(numpy(layers.Binarize("threshold")(x)), [[0, 0, 0, 1, 1]])
    grey = np.full((10_000, 2), [0.0, 0.3], "float32")
    layer = layers.Binarize("dynamic", seed=0)
    first, second = numpy(layer(grey)), numpy(layer(grey))
    assert first[:, 0].max() == 0
    assert abs(first[:, 1].mean() - 0.3) < 4 * np.sqrt(0.21 / len(grey))
    assert not np.array_equal(first, second)
    with pytest.raises(ValueError, match="Did you mean 'threshold'"):
        layers.Binarize("treshold")
