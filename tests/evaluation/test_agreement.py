"""Agreement of generated images with their labels, for models with known agreement."""

import keras
import numpy as np
import pytest

import keras_cvae
from keras_cvae import evaluation, likelihoods
from keras_cvae.evaluation import agreement
from tests.evaluation import known

CORNERS = np.float32([[0, 0, 0, 0], [9, 0, 0, 0], [0, 9, 0, 0]])


def drawing(templates, variance=1.0):
    """A model whose vectors are a template of each class, and normal noise."""
    encoder = keras.Sequential([keras.Input((4 + 3,)), keras.layers.Identity()])
    decoder = keras.Sequential([keras.Input((2 + 3,)), keras.layers.Dense(4)])
    weights = np.concatenate([np.zeros((2, 4), "float32"), templates])
    decoder.layers[-1].set_weights([weights, np.zeros(4)])
    options = {"network": (encoder, decoder), "likelihood": likelihoods.Gaussian(variance)}
    return keras_cvae.build_cvae((4,), 3, 2, **options)


class Nearest(evaluation.Classifier):
    """Reads the nearest corner."""

    def features(self, x):
        return x

    def predict(self, x):
        return np.linalg.norm(x[:, None] - CORNERS, axis=-1).argmin(1)


LABELS = np.arange(300) % 3


@pytest.mark.parametrize("order, share", [([0, 1, 2], 1.0), ([0, 2, 1], 1 / 3), ([1, 2, 0], 0.0)])
def test_agreement(order, share):
    found = evaluation.label_agreement(drawing(CORNERS[order]), LABELS, Nearest())
    assert found.value == pytest.approx(share)
    expected = np.sqrt(share * (1 - share) / 299)
    assert found.standard_error == pytest.approx(expected)


def test_agreement_of_noisy_samples():
    """The classes 0 and 1 are 9 apart: noise of deviation 4.5 crosses with probability Phi(-1)."""
    cvae = drawing(CORNERS, variance=4.5**2)
    found = evaluation.label_agreement(cvae, np.zeros(20_000, int), Nearest())
    crossing = 0.1586553
    assert found.value == pytest.approx((1 - crossing) ** 2, abs=4 * found.standard_error)
    assert found.standard_error < 0.005


@pytest.mark.parametrize("order, share", [([0, 1, 2], 1.0), ([1, 2, 0], 0.0)])
def test_agreement_of_changed_labels(order, share):
    found = evaluation.swap_agreement(drawing(CORNERS[order]), CORNERS[LABELS], LABELS, Nearest())
    assert found.value == pytest.approx(share)


@pytest.mark.parametrize("order, share", [([0, 1, 2], 1.0), ([0, 2, 1], 1 / 3)])
def test_a_classifier_of_generated_vectors(order, share):
    y = LABELS[::-1]
    x = CORNERS[y] + np.random.default_rng(0).standard_normal((300, 4), "float32")
    found = evaluation.classification_accuracy_score(drawing(CORNERS[order]), LABELS, x, y)
    assert found.value == pytest.approx(share, abs=0.01)


def test_vectors_are_sampled_and_images_are_means():
    vectors = agreement.generate(drawing(CORNERS), [1] * 2000, seed=3)
    np.testing.assert_allclose(vectors.mean(0), CORNERS[1], atol=0.1)
    np.testing.assert_allclose(vectors.std(0), 1, atol=0.1)
    network = keras_cvae.networks.Dense((4,))
    cvae = keras_cvae.build_cvae((2, 2, 1), 3, 2, network=network)
    options = {"seed": 3, "temperature": 0.5}
    images = agreement.generate(cvae, [1, 2], **options)
    np.testing.assert_array_equal(images, cvae.generate([1, 2], **options))  # no noise


@pytest.mark.once
@pytest.mark.parametrize(
    "labels, message",
    [([0, 3], r"`y` must be in 0..2. Received: values from 0 to 3"), ([], "non-empty")],
)
def test_bad_labels(labels, message):
    cvae = drawing(CORNERS)
    with pytest.raises(ValueError, match=message):
        evaluation.label_agreement(cvae, labels, Nearest())
    with pytest.raises(ValueError, match=message):
        evaluation.classification_accuracy_score(cvae, labels, CORNERS, [0, 1, 2])


@pytest.mark.once
def test_bad_models_and_data():
    with pytest.raises(ValueError, match="must have a condition of classes.*NoneType"):
        evaluation.label_agreement(known.Linear().cvae, LABELS, Nearest())
    cvae = drawing(CORNERS)
    with pytest.raises(ValueError, match="must have the shape"):
        evaluation.classification_accuracy_score(cvae, LABELS, CORNERS[:, :3], [0, 1, 2])
    with pytest.raises(ValueError, match="two or more classes"):
        evaluation.classification_accuracy_score(cvae, [1, 1], CORNERS, [0, 1, 2])
