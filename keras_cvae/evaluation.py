"""Honest numbers: the importance-weighted estimate of log p(x | y), in nats."""

from __future__ import annotations

import weakref

import keras
import numpy as np
from keras import ops

from keras_cvae import divergences, inference, layers, networks
from keras_cvae.data import inputs

CHUNK = 64  # samples of one image that are decoded together
_WEIGHERS = weakref.WeakKeyDictionary()


def log_likelihood(
    cvae, images, labels=None, *, samples: int = 1000, seed: int = 0, verbose: int = 1
) -> np.ndarray:
    r"""Estimates log p(x | y) of each image by importance sampling from q(z | x, y).

    log (1/K) sum_k p(x | z_k, y) p(z_k) / q(z_k | x, y), z_k ~ q(z | x, y). Its expectation is at
    most log p(x | y), grows with K and tends to it; with K = 1 it is the ELBO.

    Where the model binarises dynamically, each image is drawn once.

    Args:
        cvae: A `CVAE` that is given its labels, or has none.
        images: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
        labels: The images' labels, or one for all; -1 or None: unknown.
        samples: How many samples K of each image.
        seed: Seed of the samples; the numbers drawn differ between backends.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Array of shape `(count,)`, in nats.

    Raises:
        ValueError: If images or labels are not what the model takes, the model infers its labels,
            or `samples` is not at least 1.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519).
    """
    if cvae.infers_label:
        raise ValueError("`log_likelihood` needs a model that is given its labels or has none.")
    if samples < 1:
        raise ValueError(f"`samples` must be at least 1. Received: {samples}")
    inputs.check_images(images, cvae.image_shape, bounded=cvae.bounded)
    labels = cvae.check_labels(labels, len(images))
    chunk = -(-samples // -(-samples // CHUNK))
    weigher, seed_generator = _weigher(cvae, chunk)
    seed_generator.state.assign([seed, 0])
    rng = np.random.default_rng(seed)
    batch_size = max(1, inference.BATCH_SIZE // chunk)
    progress = keras.utils.Progbar(len(images), verbose=verbose, unit_name="image")
    results = np.empty(len(images), "float64")
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        pixels = _pixels(cvae, images[rows], rng)
        data = pixels if labels is None else [pixels, labels[rows]]
        log_weights = [
            inference.predict(weigher, data, batch_size) for _ in range(0, samples, chunk)
        ]
        log_weights = np.concatenate(log_weights, axis=1, dtype="float64")[:, :samples]
        results[rows] = np.logaddexp.reduce(log_weights, axis=1) - np.log(samples)
        progress.update(start + len(pixels))
    return results


def _pixels(cvae, images, rng):
    """What is to be explained: float32 pixels, drawn or thresholded as the model does."""
    pixels = images / np.float32(255) if images.dtype == np.uint8 else images
    if cvae.binarize is not None:
        pixels = pixels > (rng.random(pixels.shape) if cvae.binarize.mode == "dynamic" else 0.5)
    return pixels.astype("float32").reshape(-1, *cvae.image_shape)


def _weigher(cvae, samples):
    """A model `[image, label]` to `samples` log weights, and the generator of its noise."""
    cached = _WEIGHERS.setdefault(cvae, {})
    if samples not in cached:
        encoder = cvae.get_layer("encoder")
        graph_inputs = keras.tree.map_structure(networks.input_like, encoder.input)
        weigh = _LogWeights(cvae.decoder, cvae.likelihood, cvae.prior, samples)
        outputs = weigh([*encoder(graph_inputs), *keras.tree.flatten(graph_inputs)])
        cached[samples] = keras.Model(graph_inputs, outputs), weigh.seed_generator
    return cached[samples]


class _LogWeights(keras.layers.Layer):
    """log p(x | z, y) p(z) / q(z | x, y) of `samples` z ~ q(z | x, y): `(batch, samples)`."""

    def __init__(self, decoder, likelihood, prior, samples):
        super().__init__(dtype="float32")
        self.decoder, self.likelihood, self.prior = decoder, likelihood, prior
        self.samples = samples
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs):
        mean, log_var, image, *label = (ops.repeat(x, self.samples, axis=0) for x in inputs)
        log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)
        z = layers.reparameterize([mean, log_var], self.seed_generator)
        parameters = self.decoder([z, *label] if label else z)
        joint = self.likelihood.log_prob(image, parameters) + self.prior.log_prob(z)
        log_weights = joint - divergences.normal_log_prob(z, mean, log_var)
        return ops.reshape(log_weights, (-1, self.samples))

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.samples)
