"""Pixels and labels of a batch, converted to what a graph takes."""

import numpy as np
import pytest
from keras import ops

from keras_cvae.layers import to_unit_interval
from keras_cvae.layers.conversion import to_integers


def test_only_uint8_pixels_are_scaled():
    scaled = to_unit_interval(ops.convert_to_tensor(np.uint8([0, 51, 255])))
    np.testing.assert_allclose(ops.convert_to_numpy(scaled), [0.0, 0.2, 1.0], rtol=1e-6)
    floats = ops.convert_to_tensor(np.float32([0.0, 51.0]))
    assert to_unit_interval(floats) is floats


@pytest.mark.parametrize(
    "labels",
    [
        np.float32([2, -1, 0]),
        np.int64([[2], [-1], [0]]),
        np.float32([[0, 0, 1], [0, 0, 0], [1, 0, 0]]),
    ],
    ids=["floats", "a column", "one-hot vectors"],
)
def test_labels_become_integers(labels):
    integers = ops.convert_to_numpy(to_integers(ops.convert_to_tensor(labels)))
    assert integers.dtype == "int32" and integers.tolist() == [2, -1, 0]
