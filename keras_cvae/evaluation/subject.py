"""A model and the data that it is measured on."""

from __future__ import annotations

import dataclasses
import functools

import keras
import numpy as np

from keras_cvae import checks
from keras_cvae.data import splitting
from keras_cvae.evaluation import examples, repeated
from keras_cvae.evaluation.classifier import Classifier, train_classifier


class LeftOut(Exception):
    """The reason why a measure does not apply, in words."""


@dataclasses.dataclass
class Subject:
    """A model and the data that it is measured on, checked.

    Attributes:
        model: The `CVAE`.
        x_train: Training images; if there are labels, only images with a known label.
        y_train: Their labels, or None.
        x: Test images.
        y: Their labels, or None.
        condition: The conditions of the test images: their labels, other values as a dict by name,
            or None for a model without a condition. Only classes are labels.
        samples: The number of samples of z for log p.
        seed: Seed of all randomness.
        verbose: 1 shows progress, 0 does not.
    """

    model: keras.Model
    x_train: np.ndarray
    y_train: np.ndarray | None
    x: np.ndarray
    y: np.ndarray | None
    condition: np.ndarray | None
    samples: int
    seed: int
    verbose: int

    @classmethod
    def of(cls, cvae, dataset, samples, limit, seed, verbose) -> Subject:
        """Checks the arguments of `measure`; samples `limit` test images with the seed.

        Raises:
            ValueError: As for `measure`.
        """
        samples = checks.integer("samples", samples, least=1)
        seed = checks.integer("seed", seed, least=0, most=2**32 - 1)
        has_condition = cvae.condition is not None
        x_train, y_train, x, y, _ = dataset
        for images, labels in (x_train, y_train), (x, y):
            expected = "must have labels, which the model's condition needs"
            checks.require(labels is not None or not has_condition, "dataset", expected, "none")
            examples.check(cvae, images, labels if has_condition else None)
        if limit is not None and checks.integer("limit", limit, least=1) < len(x):
            rows = np.sort(np.random.default_rng(seed).choice(len(x), limit, replace=False))
            x, y = x[rows], splitting.take(y, rows)
        condition = y if has_condition else None
        if has_condition:
            y_train, y = map(cvae.condition.class_of, (y_train, y))
        if y_train is not None and y_train.min() < 0:
            x_train, y_train = x_train[y_train >= 0], y_train[y_train >= 0]
        return cls(cvae, x_train, y_train, x, y, condition, samples, seed, verbose)

    @property
    def draws(self) -> int:
        """The number of samples of z for the ELBO of an image."""
        return repeated.number_of_draws(len(self.x))

    @functools.cached_property
    def classifier(self) -> Classifier:
        """A classifier trained on the real training images."""
        self.require_labels("a classifier")
        return train_classifier(self.x_train, self.y_train, seed=self.seed, verbose=self.verbose)

    def require_labels(self, what: str) -> None:
        """Raises `LeftOut` if the data do not have labels of two classes.

        Args:
            what: The measure that needs labels, for the message.
        """
        if self.y is None:
            raise LeftOut(f"the data have no labels, which {what} needs")
        if self.y.min() < 0:
            raise LeftOut(f"some test labels are unknown, and {what} needs all")
        if not np.ptp(self.y_train):
            raise LeftOut(f"the training labels are of a single class, and {what} needs two")

    def require_condition(self, what: str) -> None:
        """Raises `LeftOut` if the model has no classes.

        Args:
            what: The measure that needs classes, for the message.
        """
        if not self.model.classes:
            raise LeftOut(f"the model has no classes, which {what} needs")
