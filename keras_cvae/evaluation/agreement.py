"""Measures whether generated images show the class that they were generated for."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks
from keras_cvae.evaluation import examples
from keras_cvae.evaluation.classifier import Classifier, train_classifier
from keras_cvae.evaluation.estimates import Estimate, average


def generate(cvae, y=None, *, count: int | None = None, seed=0, **options) -> np.ndarray:
    """Generates examples to compare with real ones.

    Images are means of p(x | z, y), as from `CVAE.generate`. Vectors are samples of p(x | z, y),
    because the noise of columns of numbers is part of their variation.

    Args:
        cvae: A `CVAE`.
        y: As for `CVAE.generate`.
        count: As for `CVAE.generate`.
        seed: As for `CVAE.generate`.
        **options: For `CVAE.generate`.
    """
    pixels = "mean" if len(cvae.image_shape) > 1 else "sample"
    return cvae.generate(y, count=count, seed=seed, **{"pixels": pixels, **options})


def label_agreement(
    cvae, y, classifier: Classifier, *, temperature: float = 1.0, seed: int = 0
) -> Estimate:
    """Measures how often a classifier predicts the label that images were generated for.

    Compare it with the classifier's accuracy on real test images, which only images that are more
    typical than real ones exceed, and with a measure of diversity.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        y: A label for each generated image, of shape `(count,)`, none unknown.
        classifier: A classifier of real images, such as `train_classifier` returns.
        temperature: As for `CVAE.generate`.
        seed: Seed of the images.

    Returns:
        The share, with its standard error over images.

    Raises:
        ValueError: If the condition is not one of classes, or the labels are invalid.
    """
    y = _labels(cvae, y)
    x = generate(cvae, y, seed=seed, temperature=temperature)
    return average(classifier.predict(x) == y)


def swap_agreement(cvae, x, y, classifier: Classifier) -> Estimate:
    """Measures how often a classifier predicts the new label of images with a changed label.

    Each image is reconstructed by `CVAE.reconstruct` as another class; all classes are used in
    turn.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        y: Their labels, of shape `(count,)`, none unknown.
        classifier: As for `label_agreement`.

    Returns:
        The share, with its standard error over images.

    Raises:
        ValueError: If the condition is not one of classes, or images or labels are invalid.
    """
    y = _labels(cvae, y)
    others = len(cvae.classes) - 1
    changed = (y + 1 + np.arange(len(y)) % others) % (others + 1)
    return average(classifier.predict(cvae.reconstruct(x, y, changed)) == changed)


def classification_accuracy_score(
    cvae, y, x_test, y_test, *, epochs: int | None = None, seed: int = 0, verbose: int = 0
) -> Estimate:
    """Measures the accuracy on real images of a classifier trained on generated images only.

    It is lower if generated images have the wrong class, or vary less than real images.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        y: A label for each generated image. With the labels of the real training images, the
            accuracy can be compared with that of a classifier trained on these images.
        x_test: Real images, as for `train_classifier`.
        y_test: Their labels.
        epochs: As for `train_classifier`.
        seed: Seed of the images and of the classifier.
        verbose: As for `train_classifier`.

    Returns:
        The accuracy, with its standard error over the real images.

    Raises:
        ValueError: If the condition is not one of classes, or an argument is not one of the above.

    Reference:
        [Ravuri and Vinyals, 2019](https://arxiv.org/abs/1905.10887).
    """
    y = _labels(cvae, y)
    x_test, (y_test,) = examples.check(cvae, x_test, y_test)
    x = generate(cvae, y, seed=seed)
    learner = train_classifier(x, y, seed=seed, epochs=epochs, verbose=verbose)
    return average(learner.predict(x_test) == y_test)


def _labels(cvae, y):
    most = examples.count_classes(cvae) - 1
    y = checks.array("y", cvae.condition.class_of(y), (None,), "int64")
    received = f"values from {y.min()} to {y.max()}"
    checks.require(y.min() >= 0 and y.max() <= most, "y", f"must be in 0..{most}", received)
    return y
