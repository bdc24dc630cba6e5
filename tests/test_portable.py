import numpy as np
from keras import ops
from scipy import special

from keras_cvae import portable


def numpy(x):
    return ops.convert_to_numpy(x)


def test_the_normal_distribution_is_scipys():
    x = np.linspace(-8, 8, 100_001).astype("float32")
    below = numpy(portable.normal_cdf(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(below, special.ndtr(np.float64(x)), atol=3e-7)
    assert below.min() >= 0 and below.max() <= 1

    x = np.linspace(-1 + 2.0**-21, 1 - 2.0**-21, 100_001).astype("float32")
    ours = numpy(portable.erfinv(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(ours, special.erfinv(np.float64(x)), rtol=1e-6)
    p = np.float32([0.01, 0.5, 0.9])
    ours = numpy(portable.normal_quantile(ops.convert_to_tensor(p)))
    np.testing.assert_allclose(ours, special.ndtri(np.float64(p)), atol=1e-6)


def test_entries_and_columns_are_numpys():
    x = np.random.default_rng(0).random((3, 4, 2), "float32")
    places = np.int32([[5, 0], [23, 7]])
    assert np.array_equal(numpy(portable.entries(x, places)), x.ravel()[places])
    for each in x, x[..., 0], x > 0.5:
        chosen = numpy(portable.columns(ops.convert_to_tensor(each), [3, 0, 3]))
        assert np.array_equal(chosen, each[:, [3, 0, 3]])


def test_of_equal_entries_the_first_is_the_greatest():
    x = ops.convert_to_tensor(np.float32([[1, 3, 3], [0, -1, -2]]))
    assert numpy(portable.one_hot_of_greatest(x)).tolist() == [[0, 1, 0], [1, 0, 0]]
