"""A linear probe of the information on the label in z."""

from __future__ import annotations

import numpy as np

from keras_cvae import checks, divergences
from keras_cvae.evaluation.estimates import Estimate, average


def label_leakage(
    cvae, x_train, y_train, x_test, y_test, *, seed: int = 0
) -> tuple[Estimate, float]:
    """Trains a linear probe from z to the label.

    The probe is a logistic regression on standardised samples of q(z | x, y). It uses samples, as
    the decoder does: means may differ where noise hides the difference. If the accuracy is at
    chance, z contains no linearly separable information on the label, so that the label must come
    from y. If it is above chance, a change of y alone need not change the class of an image.

    Args:
        cvae: A `CVAE` with any condition, or none; a condition of classes receives the labels.
        x_train: Images that the probe is trained on.
        y_train: Their labels, of two classes or more, none unknown.
        x_test: Images that the probe is tested on.
        y_test: Their labels.
        seed: Seed of the samples.

    Returns:
        `(accuracy, chance)`: the accuracy of the probe on the test images, and that of always
        predicting the most frequent training label.

    Raises:
        ValueError: If there are fewer than two classes, or images or labels are invalid.

    Reference:
        [Alain and Bengio, 2017](https://arxiv.org/abs/1610.01644), for linear probes.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes, counts = np.unique(y_train, return_counts=True)
    expected = "The labels to learn from must be of two classes or more"
    checks.require(len(classes) > 1, None, expected, f"label {classes} alone")
    rng = np.random.default_rng(seed)
    z_train, z_test = _sample(cvae, x_train, y_train, rng), _sample(cvae, x_test, y_test, rng)
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(z_train, y_train)
    chance = np.mean(np.asarray(y_test) == classes[counts.argmax()])
    return average(probe.predict(z_test) == y_test), float(chance)


def _sample(cvae, x, y, rng):
    mean, log_var = cvae.encode(x, cvae.y_of_class(y))
    deviation = np.exp(0.5 * np.minimum(log_var, divergences.LOG_VAR_LIMIT))
    return mean + deviation * rng.standard_normal(mean.shape)
