"""Classifiers of real data, which predict labels of generated examples and extract features."""

from __future__ import annotations

import abc
import itertools
import math
import warnings

import keras
import numpy as np

from keras_cvae import batched, checks, fitting, layers, noise

SMALL = 7  # length of a side to which images are pooled, in pixels
SEEN = 60_000  # training images in total, in at least 4 epochs: enough for 99% on MNIST
MAX_EPOCHS = 200  # for vectors


class Classifier(abc.ABC):
    """A classifier of examples of shape `(count, *shape)`."""

    @abc.abstractmethod
    def features(self, x) -> np.ndarray:
        """Returns the activations of the last hidden layer, of shape `(count, units)`."""

    @abc.abstractmethod
    def predict(self, x) -> np.ndarray:
        """Returns the most probable labels, integers of shape `(count,)`."""


class ImageClassifier(Classifier):
    """A small convolutional network.

    Args:
        model: Model from images in [0, 1] to `[features, logits]`.
    """

    def __init__(self, model: keras.Model):
        self.model = model

    @classmethod
    def train(cls, x, y, seed: int, epochs: int | None, verbose) -> ImageClassifier:
        """Trains the network, by Adam, in batches of 128."""
        epochs = max(4, SEEN // len(x)) if epochs is None else epochs
        with noise.seeded(seed):
            image, features, logits = _network(x.shape[1:], int(y.max()) + 1, seed)
            label = keras.Input((), dtype="int32", name="label")
            loss = layers.ClassificationLoss(name="classification")([label, logits])
            # A loss layer instead of a loss, so that many steps run in one program.
            training = fitting.FusedModel([image, label], loss)
            training.compile("adam")
            data = {"image": unit(x), "label": y.astype("int32")}
            training.fit(data, batch_size=128, epochs=epochs, verbose=verbose)
        return cls(keras.Model(image, [features, logits]))

    def features(self, x) -> np.ndarray:
        return batched.predict(self.model, unit(x))[0]

    def predict(self, x) -> np.ndarray:
        return batched.predict(self.model, unit(x))[1].argmax(-1)


class VectorClassifier(Classifier):
    """scikit-learn's network of one hidden layer, on standardised vectors.

    Args:
        scaler: A fitted `StandardScaler`.
        network: A fitted `MLPClassifier`.
    """

    def __init__(self, scaler, network):
        self.scaler, self.network = scaler, network

    @classmethod
    def train(cls, x, y, seed: int, epochs: int | None, verbose) -> VectorClassifier:
        """Trains the network, by Adam."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier
        from sklearn.preprocessing import StandardScaler

        epochs = int(np.clip(10 * SEEN // len(x), 10, MAX_EPOCHS)) if epochs is None else epochs
        scaler = StandardScaler().fit(scaled(x))
        network = MLPClassifier((128,), max_iter=epochs, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(scaler.transform(scaled(x)), y)
        return cls(scaler, network)

    def features(self, x) -> np.ndarray:
        (weights, _), (bias, _) = self.network.coefs_, self.network.intercepts_
        return np.maximum(self.scaler.transform(scaled(x)) @ weights + bias, 0.0)

    def predict(self, x) -> np.ndarray:
        return self.network.predict(self.scaler.transform(scaled(x)))


def train_classifier(
    x, y, *, epochs: int | None = None, seed: int = 0, verbose: int = 0
) -> Classifier:
    """Trains a classifier: a convolutional network of images, or scikit-learn's of vectors.

    Args:
        x: Images of shape `(count, height, width, channels)`, uint8 or in [0, 1], or vectors of
            shape `(count, size)`.
        y: Their labels, integers of at least 0, of shape `(count,)`, of two classes or more.
        epochs: Passes over the images; by default more for fewer images.
        seed: Seed of its weights, of the order of the images and of dropout.
        verbose: What `fit` prints for images: 0 nothing, 1 a bar, 2 a line per epoch.

    Returns:
        A `Classifier`.

    Raises:
        ValueError: If the labels are of a single class, or an argument is invalid.
    """
    x = np.asarray(x)
    expected = "must be images (N, H, W, C) or vectors (N, D), at least one"
    checks.require(x.ndim in (2, 4) and x.size, "x", expected, f"shape {x.shape}")
    y = checks.array("y", y, (len(x),), "int64")
    checks.require(y.min() >= 0, "y", "must be labels of at least 0", y.min())
    expected = "must contain two or more classes for a classifier"
    checks.require(np.ptp(y), "y", expected, f"label {y[0]} alone")
    if epochs is not None:
        checks.integer("epochs", epochs, least=1)
    seed = checks.integer("seed", seed, least=0, most=2**32 - 1)
    kind = ImageClassifier if x.ndim == 4 else VectorClassifier
    return kind.train(x, y, seed, epochs, verbose)


def scaled(x: np.ndarray) -> np.ndarray:
    """Converts numbers to the scale of generated ones, as float32: bytes are divided by 255."""
    return x.astype("float32") / np.float32(255 if x.dtype == np.uint8 else 1)


def unit(images: np.ndarray) -> np.ndarray:
    """Returns pixels clipped to [0, 1], as float32."""
    return scaled(images).clip(0, 1)


def _network(shape, num_classes, seed):
    of_keras = keras.layers
    # Without a seed, dropout uses torch's global generator.
    seeds = [int(word) for word in noise.to_state(np.random.SeedSequence(seed).generate_state(2))]
    drop, drop_last = (of_keras.Dropout(0.3, seed=one) for one in seeds)
    image = x = keras.Input(shape, name="image")
    pools = max(2, math.ceil(math.log2(max(shape[:2]) / SMALL)))
    for filters in itertools.chain([32], [64] * (pools - 1)):
        x = of_keras.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = of_keras.MaxPooling2D(padding="same")(x)
    x = drop(of_keras.Flatten()(x))
    features = of_keras.Dense(128, activation="relu", name="features")(x)
    return image, features, of_keras.Dense(num_classes)(drop_last(features))
