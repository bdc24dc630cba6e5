"""The classifier of generated images."""

import random

import keras
import numpy as np
import pytest

from keras_cvae import evaluation
from keras_cvae.evaluation import classifier


@pytest.fixture(scope="module")
def reader(digits):
    return evaluation.train_classifier(digits.x_train, digits.y_train, epochs=40)


@pytest.mark.once
def test_images(reader, digits):
    right = reader.predict(digits.x_test) == digits.y_test
    assert right.mean() > 0.97
    features = reader.features(digits.x_test[:7])
    assert features.shape == (7, 128) and features.min() == 0 < features.max()
    as_bytes = np.round(255 * digits.x_test).astype("uint8")
    assert np.mean(reader.predict(as_bytes) == reader.predict(digits.x_test)) > 0.99
    np.testing.assert_array_equal(
        reader.predict(digits.x_test[:9] + 0.0), reader.predict(digits.x_test[:9])
    )


def test_the_logits_are_linear_in_the_features(reader, digits):
    features = reader.features(digits.x_test[:20])
    kernel, bias = reader.model.layers[-1].get_weights()
    read = (features @ kernel + bias).argmax(-1)
    np.testing.assert_array_equal(read, reader.predict(digits.x_test[:20]))


@pytest.mark.once
def test_colour_images_of_an_odd_size():
    rng = np.random.default_rng(0)
    y = np.arange(120) % 2
    x = 0.3 * rng.random((120, 5, 17, 3), "float32")
    x[y == 1, :, 4:8, 2] += 0.6
    reader = evaluation.train_classifier(x[:60], y[:60], epochs=20)
    assert np.mean(reader.predict(x[60:]) == y[60:]) > 0.95


def test_vectors_of_any_scale():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 300)
    x = rng.normal(size=(300, 4)).astype("float32")
    x[:, 1] += 4.0 * (y == 1)
    x[:, 2] += 4.0 * (y == 2)
    x = x * (1, 1e3, 1e-3, 1) + (0, 500, 0, 9)
    reader = evaluation.train_classifier(x[:200], y[:200])
    assert np.mean(reader.predict(x[200:]) == y[200:]) > 0.9
    (_, kernel), (_, bias) = reader.network.coefs_, reader.network.intercepts_
    features = reader.features(x[200:])
    assert features.shape == (100, 128)
    np.testing.assert_array_equal((features @ kernel + bias).argmax(-1), reader.predict(x[200:]))


@pytest.mark.slow
def test_the_seed_determines_the_classifier_and_global_seeds_are_unchanged(digits):
    x, y = digits.x_train[:200], digits.y_train[:200]

    def features(seed):
        trained = evaluation.train_classifier(x, y, seed=seed, epochs=1)
        return trained.features(x[:5])

    random.seed(4)
    np.random.seed(4)
    before = random.getstate(), np.random.get_state()[1].tolist()
    one = features(0)
    assert before == (random.getstate(), np.random.get_state()[1].tolist())
    keras.utils.set_random_seed(9)
    np.testing.assert_allclose(features(0), one, rtol=1e-5, atol=1e-6)
    assert np.abs(features(1) - one).max() > 1e-3


def test_pixels_are_those_of_a_picture():
    pixels = classifier.unit(np.array([-0.5, 0.25, 1.5]))
    assert pixels.dtype == np.float32 and pixels.tolist() == [0.0, 0.25, 1.0]
    assert classifier.unit(np.array([0, 255], "uint8")).tolist() == [0.0, 1.0]


@pytest.mark.once
@pytest.mark.parametrize(
    "x, y, message",
    [
        (np.zeros((4, 3, 3, 1)), [1, 1, 1, 1], "two or more classes .*label 1 alone"),
        (np.zeros((4, 3)), [0, 0, 0, 0], "two or more classes .*label 0 alone"),
        (np.zeros((4, 3)), [0, 1, -1, 0], "`y` must be labels of at least 0. Received: -1"),
        (np.zeros((4, 3)), [0, 1], r"`y` must be .* of shape \(4,\)"),
        (np.zeros((4, 3, 3)), [0, 1, 0, 1], r"`x` must be images .*shape \(4, 3, 3\)"),
        (np.zeros((0, 3)), [], "`x` must be images .* at least one"),
    ],
)
def test_bad_data(x, y, message):
    with pytest.raises(ValueError, match=message):
        evaluation.train_classifier(x, y)


@pytest.mark.once
@pytest.mark.parametrize("options", [{"epochs": 0}, {"seed": -1}, {"seed": 2**32}])
def test_bad_options(options):
    (name,) = options
    with pytest.raises(ValueError, match=f"`{name}` must be an integer"):
        evaluation.train_classifier(np.zeros((4, 3)), [0, 1, 0, 1], **options)
