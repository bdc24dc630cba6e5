import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from keras_cvae.likelihoods import Categorical


def numpy(x):
    return keras.ops.convert_to_numpy(x)


LOGITS = st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=12)


@given(LOGITS, st.data())
@settings(max_examples=50, deadline=None)
def test_equals_scipy(logits, data):
    levels = len(logits)
    level = data.draw(st.integers(0, levels - 1))
    reference = stats.rv_discrete(values=(np.arange(levels), special.softmax(np.float64(logits))))
    categorical, parameters = Categorical(levels), np.float32([[logits]])
    x = np.float32([[level / (levels - 1)]])
    ours = numpy(categorical.log_prob(x, parameters))
    np.testing.assert_allclose(ours, [reference.logpmf(level)], rtol=1e-5, atol=1e-5)
    mean = numpy(categorical.mean(parameters))
    np.testing.assert_allclose(mean, [[reference.mean() / (levels - 1)]], rtol=1e-4, atol=1e-6)


def test_sums_over_entries_and_takes_the_nearest_of_256_levels():
    rng = np.random.default_rng(0)
    x = rng.random((5, 4, 3, 3), dtype="float32")
    logits = rng.normal(size=(5, 4, 3, 3, 256)).astype("float32")
    level = np.round(x * 255).astype(int)[..., None]
    expected = np.take_along_axis(special.log_softmax(np.float64(logits), -1), level, -1)
    ours = numpy(Categorical().log_prob(x, logits))
    np.testing.assert_allclose(ours, expected.sum((1, 2, 3, 4)), rtol=1e-5)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0, 1e4])
def test_probabilities_of_all_levels_sum_to_one(scale):
    logits = scale * np.random.default_rng(0).normal(size=(1, 1, 256)).astype("float32")
    x = np.arange(256, dtype="float32")[:, None] / 255
    log_probs = np.float64(numpy(Categorical().log_prob(x, np.repeat(logits, 256, axis=0))))
    assert abs(np.exp(log_probs).sum() - 1) < 1e-5


@pytest.mark.parametrize("x", [0.0, 0.5, 1.0])
def test_is_finite_at_the_extremes(x, gradient):
    categorical = Categorical(3)
    logits = np.float32([[[-1e4, 0.0, 1e4]], [[1e4, 0.0, -1e4]], [[1e30, -1e30, 0.0]]])
    pixels = np.full((3, 1), x, "float32")
    expected = special.log_softmax(np.float64(logits), -1)[:, 0, round(2 * x)]
    np.testing.assert_allclose(numpy(categorical.log_prob(pixels, logits)), expected, rtol=1e-6)
    (slope,) = gradient(lambda p: keras.ops.sum(categorical.log_prob(pixels, p)), logits)
    one_hot = np.eye(3)[round(2 * x)]
    np.testing.assert_allclose(slope, one_hot - special.softmax(logits, -1), atol=1e-6)


@pytest.mark.parametrize("levels", [2, 5, 256])
def test_samples_have_the_frequencies_of_the_levels(levels):
    logits = np.random.default_rng(0).normal(size=(1, 1, levels)).astype("float32")
    logits[..., -1] = -1e4  # a level that never occurs
    samples = numpy(Categorical(levels).sample(np.repeat(logits, 20_000, axis=0), seed=0))
    level = np.round(samples * (levels - 1)).astype(int)
    np.testing.assert_allclose(samples, level / (levels - 1), atol=1e-7)
    counts = np.bincount(level.ravel(), minlength=levels)
    assert counts[-1] == 0
    expected = special.softmax(np.float64(logits)).ravel()[:-1] * 20_000
    expected *= 20_000 / expected.sum()
    assert levels == 2 or stats.chisquare(counts[:-1], expected).pvalue > 1e-3


@pytest.mark.parametrize("levels", [1, 0, 2.0, "many", None, True])
def test_an_invalid_number_of_levels_raises_an_error(levels):
    with pytest.raises(ValueError, match="`levels` must be an integer of at least 2. Received"):
        Categorical(levels)
