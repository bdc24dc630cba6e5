"""Sentences on whether generated images are like real ones."""

import types

import numpy as np
import pytest

from keras_cvae import runs
from keras_cvae.datasets import Dataset
from keras_cvae.runs import image_report

pytestmark = pytest.mark.once
Y = np.arange(200) % 2
X = np.float32(0.6 * Y)[:, None, None, None] + np.random.default_rng(0).uniform(
    0, 0.4, (200, 3, 3, 1)
).astype("float32")


def remarks(generate, classes=("a", "b")):
    """The remarks of a run whose model generates so."""
    run = runs.ImageRun.__new__(runs.ImageRun)
    run.config = {"training": {"seed": 0}}
    run.dataset = Dataset(X[:100], Y[:100], X[100:], Y[100:], classes)
    run.model = types.SimpleNamespace(classes=classes, generate=generate)
    return [*image_report.remarks(run)]


def like_real(y, count, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(2, size=count) if y is None else y
    return np.stack([rng.permutation(X[Y == label])[0] for label in labels])


def test_a_good_model():
    read, spread = remarks(like_real)
    assert "of the same class in 100% of 100 cases; for test images in 100%." in read
    assert "Spread: generated images of a class" in spread and spread.endswith("as test images.")


def test_samples_of_wrong_classes_and_without_variety():
    read, spread = remarks(lambda y, count, seed: like_real(1 - y, count, seed))
    assert "in 0% of 100 cases" in read and "Many samples do not show their class" in read
    _, spread = remarks(
        lambda y, count, seed: 0.9 * np.float32(Y[y])[:, None, None, None] + 0 * X[:1]
    )
    assert "differ from each other 0.00 times" in spread and "too similar" in spread


def test_samples_that_differ_too_much_without_classes():
    (spread,) = remarks(lambda y, count, seed: 1.0 * (like_real(y, count, seed) > 0.5), ())
    assert spread.startswith("Spread: generated images differ") and "too much" in spread
