"""The importance-weighted estimate of log p(x | y), in nats, and bits per dimension."""

from __future__ import annotations

import math
import weakref

import keras
import numpy as np

from keras_cvae import checks, graph, importance, inference, noise, objectives

CHUNK = 64  # samples of one image that are decoded together
_WEIGHERS = weakref.WeakKeyDictionary()


def log_likelihood(
    cvae, images, labels=None, *, samples: int = 1000, seed: int = 0, verbose: int = 1
) -> np.ndarray:
    r"""Estimates log p(x | y) of each image by importance sampling from q(z | x, y).

    log (1/K) sum_k p(x | z_k, y) p(z_k | y) / q(z_k | x, y), z_k ~ q(z | x, y). Its expectation is
    at most log p(x | y), grows with K and tends to it; with K = 1 it is the ELBO. The layers are
    those of the objective `objectives.IWAE`.

    Where the model binarises dynamically, each image is drawn once.

    Args:
        cvae: A `CVAE`.
        images: Images of shape `(count, *image_shape)`, uint8 or floats.
        labels: What is known of the images, or one for all; -1 or None: unknown, or the most
            probable class where the model infers labels.
        samples: How many samples K of each image.
        seed: Seed of the samples; the numbers drawn differ between backends.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Array of shape `(count,)`, in nats.

    Raises:
        ValueError: If images or labels are not what the model takes, or `samples` is not an integer
            of at least 1.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519).
    """
    samples = checks.integer("samples", samples, least=1)
    images, values = cvae.check_data(images, labels)
    chunk = -(-samples // -(-samples // CHUNK))
    weigher, generators = _weigher(cvae, chunk)
    states = np.random.SeedSequence(seed).generate_state(2 * len(generators))
    for generator, state in zip(generators, states.reshape(-1, 2), strict=True):
        generator.state.assign(noise.as_state(state))
    rng = np.random.default_rng(seed)
    batch_size = max(1, inference.BATCH_SIZE // chunk)
    progress = keras.utils.Progbar(len(images), verbose=verbose, unit_name="image")
    results = np.empty(len(images), "float64")
    for start in range(0, len(images), batch_size):
        rows = slice(start, start + batch_size)
        pixels = _pixels(cvae, images[rows], rng)
        data = [pixels, *(value[rows] for value in values)]
        data = data if len(data) > 1 else pixels
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
        pixels = pixels > (rng.random(pixels.shape) if cvae.binarize.is_random else 0.5)
    return pixels.astype("float32")


def _weigher(cvae, samples):
    """A model `[pixels, label]` to `samples` log weights, and the generators of its noise."""
    cached = _WEIGHERS.setdefault(cvae, {})
    if samples not in cached:
        parts = graph.read(cvae)
        pixels = keras.Input(cvae.image_shape, name="pixels")
        inputs, y = graph.condition_of(cvae, parts)
        to_encoder = y is not None and parts.condition.encoder
        encoded = parts.encoder(graph.join_inputs(pixels, y if to_encoder else None))
        parameters, log_ratios = objectives.iwae.sampled(encoded, y, parts, samples)
        log_weights = importance.LogWeights(samples, parts.likelihood)
        outputs = log_weights([pixels, parameters, *log_ratios])
        model = keras.Model([pixels, *inputs] if inputs else pixels, outputs)
        sampling = [layer for layer in model.layers if layer.name.startswith("sampling")]
        cached[samples] = model, [layer.seed_generator for layer in sampling]
    return cached[samples]


def bits_per_dimension(log_likelihood, image_shape, *, levels: int | None = None):
    r"""Turns log p(x) in nats per example into bits per dimension, the smaller the better.

    -log p(x) / (D log 2), D the number of entries of x. A density over [0, 1] becomes comparable
    with the probability of one of `levels` values by the width of their bins, 1 / levels:
    log2(levels) is added.

    Args:
        log_likelihood: Number or array, in nats per example.
        image_shape: Shape of one example.
        levels: How many values an entry can have, where log p is a density, such as 256 for a
            Gaussian of 8-bit pixels; None where it is a probability.

    Returns:
        Number or array of the same shape, in bits per dimension.

    Reference:
        [Theis et al., 2016, section 3.1](https://arxiv.org/abs/1511.01844).
    """
    width = 0.0 if levels is None else math.log2(checks.integer("levels", levels, least=2))
    return -np.asarray(log_likelihood) / (math.prod(image_shape) * math.log(2.0)) + width
