"""A linear model with normal noise, of which everything is known.

x | z, y ~ N(W z + V y + b, v I), z ~ N(0, I), q(z | x, y) = N(G x + H y, diag s).
"""

import keras
import numpy as np
import scipy.stats

import keras_cvae
from keras_cvae import likelihoods

NOISE = 0.5  # the variance v
SIZE, LATENTS = 5, 2
GAIN = np.array([[0.8, 0.0], [0.0, 0.02], [-0.3, 0.0], [0.0, 0.0], [0.4, 0.0]])
SPREAD = np.array([0.7, 1.0])  # s


class Linear:
    """The model, its parts as NumPy arrays, and what follows from them."""

    def __init__(self, classes=None, gain=GAIN, spread=SPREAD, shift=None, seed=0):
        keras.utils.set_random_seed(seed)
        rng = np.random.default_rng(seed)
        more = classes or 0
        encoder = keras.Sequential([keras.Input((SIZE + more,)), keras.layers.Identity()])
        decoder = keras.Sequential([keras.Input((LATENTS + more,)), keras.layers.Dense(SIZE)])
        self.gain, self.spread = gain, spread
        self.shift = np.zeros((more, LATENTS)) if shift is None else shift  # H
        self.w = rng.normal(size=(LATENTS, SIZE))
        self.v = rng.normal(size=(more, SIZE))
        self.b = rng.normal(size=SIZE)
        decoder.layers[-1].set_weights([np.concatenate([self.w, self.v]), self.b])
        self.cvae = keras_cvae.build_cvae(
            (SIZE,), classes, LATENTS, network=(encoder, decoder), likelihood=noise()
        )
        heads = self.cvae.get_layer("encoder")
        kernel = np.concatenate([gain, self.shift])
        heads.get_layer("z_mean").set_weights([kernel, np.zeros(LATENTS)])
        heads.get_layer("z_log_var").set_weights([np.zeros_like(kernel), np.log(spread)])

    def of_labels(self, labels, table):
        return 0.0 if labels is None else table[np.asarray(labels)]

    def log_p(self, x, labels=None):
        """log p(x | y), exactly."""
        covariance = self.w.T @ self.w + NOISE * np.eye(SIZE)
        centred = np.float64(x) - self.b - self.of_labels(labels, self.v)
        return scipy.stats.multivariate_normal(np.zeros(SIZE), covariance).logpdf(centred)

    def means(self, x, labels=None):
        """Means of q(z | x, y)."""
        return np.float64(x) @ self.gain + self.of_labels(labels, self.shift)

    def kl(self, x, labels=None):
        """KL divergence by dimension, exactly."""
        return 0.5 * (self.means(x, labels) ** 2 + self.spread - 1 - np.log(self.spread))

    def distortion(self, x, labels=None):
        """E_q -log p(x | z, y), exactly."""
        mean = self.means(x, labels) @ self.w + self.b + self.of_labels(labels, self.v)
        squared = np.square(np.float64(x) - mean).sum(1) + np.square(self.w).sum(1) @ self.spread
        return 0.5 * (SIZE * np.log(2 * np.pi * NOISE) + squared / NOISE)


def noise():
    return likelihoods.Gaussian(NOISE)


def data(count, seed=0):
    return np.random.default_rng(seed).normal(size=(count, SIZE)).astype("float32")
