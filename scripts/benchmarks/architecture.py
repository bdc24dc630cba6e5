"""Data, initial weights and learning rates, the same for all programs of the benchmark."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keras_cvae.checks import ArgumentError

HIDDEN_UNITS = 256
FILTERS = (32, 64)
LATENT_DIM = {"dense": 20, "conv": 2}
LEARNING_RATE = {"dense": 1e-3, "conv": 1e-4}
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7  # defaults of Keras's Adam


class Data(NamedTuple):
    """Images `(N, height, width, channels)`, uint8 or in [0, 1]; integer labels `(N,)`."""

    images: np.ndarray
    labels: np.ndarray
    num_classes: int

    @property
    def scale(self) -> float:
        """The number that pixels are divided by, so that they are in [0, 1]."""
        return 255.0 if self.images.dtype == np.uint8 else 1.0

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return self.images.shape[1:]


def load(path: str, images: int) -> Data:
    """Reads the first `images` of an `.npz` file of `images`, `labels` and `num_classes`."""
    with np.load(path) as file:
        rows = slice(images)
        return Data(file["images"][rows], file["labels"][rows], int(file["num_classes"]))


def small_shape(image_shape) -> tuple[int, int, int]:
    """Shape of the features that the convolutional decoder starts from."""
    height, width, _ = image_shape
    if height % 4 or width % 4:
        raise ArgumentError(None, "Height and width must be multiples of 4", f"{image_shape}")
    return height // 4, width // 4, FILTERS[0]


def weights(model: str, data: Data, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Samples Glorot-uniform kernels, in the layout of Keras, with biases of zero.

    Returns:
        Pairs `(kernel, bias)` of the encoder's hidden layers, z_mean, z_log_var, and the decoder's
        layers.
    """
    shape, latent, units = data.image_shape, LATENT_DIM[model], HIDDEN_UNITS
    pixels, classes = math.prod(shape), data.num_classes
    if model == "dense":
        heads = [(units, latent)] * 2
        kernels = [(pixels + classes, units), *heads, (latent + classes, units), (units, pixels)]
        biases = [kernel[-1] for kernel in kernels]
    else:
        first, second = FILTERS
        small = math.prod(small_shape(shape))
        encoder = [(3, 3, shape[-1], first), (3, 3, first, second)]
        heads = [(small // first * second, latent)] * 2
        # Kernels of transposed convolutions are (height, width, out, in).
        decoder = [(latent, small), (3, 3, second, first), (3, 3, first, second)]
        kernels = [*encoder, *heads, *decoder, (3, 3, shape[-1], first)]
        biases = [kernel[-1] for kernel in kernels[:5]] + [kernel[2] for kernel in kernels[5:]]
    rng = np.random.default_rng(seed)
    pairs = []
    for kernel, bias in zip(kernels, biases, strict=True):
        fans = math.prod(kernel[:-2]) * (kernel[-2] + kernel[-1])
        limit = math.sqrt(6 / fans)
        values = rng.uniform(-limit, limit, kernel).astype("float32")
        pairs.append((values, np.zeros(bias, "float32")))
    return pairs
