"""Whether generated images are of the class that was asked for."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks
from keras_cvae.evaluation import examples
from keras_cvae.evaluation.classifier import Classifier, train_classifier
from keras_cvae.evaluation.estimates import Estimate, average


def draw(cvae, y=None, *, count: int | None = None, seed=0, **options) -> np.ndarray:
    """Draws examples as they are compared with real ones.

    Of images the mean of p(x | z, y), as `CVAE.generate` shows it; of vectors a draw of it, since
    what noise adds to columns of numbers is part of how they vary.

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
    """How often images are read as the label that they were generated for.

    No model is read better than real images are by a classifier that errs, unless its images are
    more typical than real ones: see it beside the classifier's accuracy on real test images, and
    beside how varied the images are.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        y: A label for each image to be generated, of shape `(count,)`, none unknown.
        classifier: What reads them, such as `train_classifier` makes of real images.
        temperature: As for `CVAE.generate`.
        seed: Seed of the images.

    Returns:
        The share, with its standard error over images.

    Raises:
        ValueError: If the condition is not one of classes, or the labels are not what it takes.
    """
    y = _asked(cvae, y)
    x = draw(cvae, y, seed=seed, temperature=temperature)
    return average(classifier.predict(x) == y)


def swap_agreement(cvae, x, y, classifier: Classifier) -> Estimate:
    """How often images whose label was changed are read as the new one.

    Each image is reconstructed by `CVAE.reconstruct` as another class, the classes in turn.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        y: Their labels, of shape `(count,)`, none unknown.
        classifier: As for `label_agreement`.

    Returns:
        The share, with its standard error over images.

    Raises:
        ValueError: If the condition is not one of classes, or an argument is not what it takes.
    """
    y = _asked(cvae, y)
    others = len(cvae.classes) - 1
    changed = (y + 1 + np.arange(len(y)) % others) % (others + 1)
    return average(classifier.predict(cvae.reconstruct(x, y, changed)) == changed)


def classification_accuracy_score(
    cvae, y, x_test, y_test, *, epochs: int | None = None, seed: int = 0, verbose: int = 0
) -> Estimate:
    """Accuracy on real images of a classifier that has learned from generated ones alone.

    It falls where classes are mistaken and where images are less varied than real ones.

    Args:
        cvae: A `CVAE` whose condition is one of classes.
        y: A label for each image to be generated and learned from: those of the real training
            images, to be compared with a classifier that has learned from these.
        x_test: Real images, as for `train_classifier`.
        y_test: Their labels.
        epochs: As for `train_classifier`.
        seed: Seed of the images and of the classifier.
        verbose: As for `train_classifier`.

    Returns:
        The share that is read right, with its standard error over the real images.

    Raises:
        ValueError: If the condition is not one of classes, or an argument is not one of the above.

    Reference:
        [Ravuri and Vinyals, 2019](https://arxiv.org/abs/1905.10887).
    """
    y = _asked(cvae, y)
    x_test, (y_test,) = examples.check(cvae, x_test, y_test)
    x = draw(cvae, y, seed=seed)
    learner = train_classifier(x, y, seed=seed, epochs=epochs, verbose=verbose)
    return average(learner.predict(x_test) == y_test)


def _asked(cvae, y):
    most = examples.count_classes(cvae) - 1
    y = checks.array("y", cvae.condition.class_of(y), (None,), "int64")
    received = f"values from {y.min()} to {y.max()}"
    checks.require(y.min() >= 0 and y.max() <= most, "y", f"must be in 0..{most}", received)
    return y
