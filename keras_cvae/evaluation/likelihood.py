"""The importance-weighted estimate of log p(x | y), in nats, and bits per dimension."""

from __future__ import annotations

import math
import weakref
from typing import Any

import keras
import numpy as np

from keras_cvae import batched, checks, graph, layers, model_lock, noise, objectives, progress
from keras_cvae.evaluation import examples
from keras_cvae.fitting import inside

CHUNK = 1024  # samples of one image in a batch of the decoder, at most
# Size of the decoder's largest activation: enough rows for fast matrix products. On torch each
# operation reads and writes memory, and half the size stays in the cache.
ACTIVATION_BYTES = 2**24 if keras.backend.backend() == "torch" else 2**25
_RATIO_MODELS = weakref.WeakKeyDictionary()


@model_lock.one_at_a_time
def log_likelihood(
    cvae, x, y=None, *, samples: int = 1000, seed: int = 0, verbose: int = 1
) -> np.ndarray:
    r"""Estimates log p(x | y) of each image by importance sampling from q(z | x, y).

    log (1/K) sum_k p(x | z_k, y) p(z_k | y) / q(z_k | x, y), z_k ~ q(z | x, y). Its expectation is
    at most log p(x | y), and converges to it as K grows; for K = 1 it is the ELBO. The layers are
    those of the objective `objectives.IWAE`.

    A model that binarises dynamically binarises each image once.

    Args:
        cvae: A `CVAE`.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        y: Labels or other conditions of the images, or one for all; -1 or None for unknown, or for
            the most probable class if the model infers labels.
        samples: The number K of samples of each image.
        seed: Seed of the samples, which differ between backends.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Array of shape `(count,)`, in nats.

    Raises:
        ValueError: If images or labels are invalid, or `samples` is not an integer of at least 1.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519).
    """
    samples = checks.integer("samples", samples, least=1)
    batches = _log_ratios(cvae, x, y, samples, seed, verbose)
    results = [
        np.logaddexp.reduce(log_p - sum(ratios), axis=1) - np.log(samples)
        for log_p, *ratios in batches
    ]
    return np.concatenate(results)


@model_lock.one_at_a_time
def terms(cvae, x, y=None, *, draws: int = 16, seed: int = 0, verbose=0) -> dict[str, np.ndarray]:
    r"""Measures the ELBO of each image and its terms, averaged over samples of z ~ q(z | x, y).

    The terms of minus the ELBO are -log p(x | z, y) and, for each group of latents,
    log q(z | x, y) / p(z | y), as in `objectives.IWAE`. A model that enumerates labels sums over
    the possible labels of an image without one, as in training.

    Args:
        cvae: A `CVAE`.
        x: As for `log_likelihood`.
        y: As for `log_likelihood`.
        draws: The number of samples of z for each image.
        seed: Seed of the samples, which differ between backends.
        verbose: 1 shows progress, 0 does not.

    Returns:
        Dict from `elbo` and the names in `cvae.elbo_terms` to arrays of shape `(count,)`, in nats.

    Raises:
        ValueError: As for `log_likelihood`.
    """
    draws = checks.integer("draws", draws, least=1)
    x, possible, label_terms = examples.possible_values(cvae, x, y)
    values = {name: np.zeros(len(x)) for name in ("reconstruction", *cvae.kl_terms)}
    for rows, known, weights in possible:
        batches = _log_ratios(cvae, x[rows], known, draws, seed, verbose)
        means = zip(*([part.mean(1) for part in parts] for parts in batches), strict=True)
        log_p, *ratios = map(np.concatenate, means)
        for value, term in zip(values.values(), [-log_p, *ratios], strict=True):
            value[rows] += weights * term
    values |= label_terms
    return {"elbo": -np.sum([*values.values()], axis=0), **values}


def _log_ratios(cvae, x, y, samples, seed, verbose):
    """Yields for each batch `[log p(x | z, y), log q(z | x, y) / p(z | y) of each group]`.

    All are arrays of shape `(batch, samples)`.
    """
    x, values = examples.check(cvae, x, y)
    most = _most_rows(cvae.decoder)
    chunk = -(-samples // -(-samples // min(CHUNK, most)))
    model, generators = _ratio_model(cvae, chunk)
    noise.seed_states([generator.state for generator in generators], seed)
    rng = np.random.default_rng(seed)
    batch_size = max(1, min(batched.BATCH_SIZE, most // chunk))
    bar = progress.bar(len(x), "image", verbose)
    for start in range(0, len(x), batch_size):
        rows = slice(start, start + batch_size)
        pixels = examples.pixels(cvae, x[rows], rng)
        data = [pixels, *(value[rows] for value in values)]
        data = data if len(data) > 1 else pixels
        chunks = [batched.predict(model, data, batch_size) for _ in range(0, samples, chunk)]
        yield [
            np.concatenate(parts, axis=1, dtype="float64")[:, :samples]
            for parts in zip(*chunks, strict=True)
        ]
        bar.update(start + len(pixels))


def _most_rows(decoder):
    """Returns the number of rows to decode at once, a power of two that bounds the memory."""
    outputs = [getattr(layer, "output", ()) for layer in inside.layers(decoder)]
    largest = max(math.prod(tensor.shape[1:]) for tensor in keras.tree.flatten(outputs))
    return 1 << max(0, (ACTIVATION_BYTES // (4 * largest)).bit_length() - 1)


def _ratio_model(cvae, samples):
    """Returns a model from pixels and label to what `_log_ratios` yields, and its generators."""
    cached = _RATIO_MODELS.setdefault(cvae, {})
    parts = graph.read(cvae)
    key = samples, id(parts.groups[0].prior), cvae.may_use_xla
    if key not in cached:
        x, inputs, y, encoded = graph.encode_pixels(cvae, parts)
        parameters, log_ratios = objectives.iwae.wire_samples(encoded, y, parts, samples)
        log_p = objectives.importance.LogWeights(samples, parts.likelihood)([x, parameters])
        outputs = [log_p, *(keras.ops.reshape(ratio, (-1, samples)) for ratio in log_ratios)]
        model = layers.ImageModel([x, *inputs] if inputs else x, outputs)
        if keras.backend.backend() == "tensorflow":  # XLA fuses what follows the products
            from keras_cvae.fitting import tensorflow_steps

            model.jit_compile = cvae.may_use_xla and tensorflow_steps.gains_by_xla(model)
        sampling = [layer for layer in model.layers if layer.name.startswith("sampling")]
        cached[key] = model, [layer.seed_generator for layer in sampling]
    return cached[key]


def bits_per_dimension(log_likelihood, input_shape, *, levels: int | None = None) -> Any:
    r"""Converts log p(x) in nats per example to bits per dimension, the smaller the better.

    It is -log p(x) / (D log 2), where D is the number of entries of x. To compare a density over
    [0, 1] with the probability of one of `levels` values, log2(levels) is added, as the bin of a
    value has the width 1 / levels.

    Args:
        log_likelihood: Number or array, in nats per example.
        input_shape: Shape of one example.
        levels: The number of values that an entry can have if log p is a density, such as 256 for a
            Gaussian of 8-bit pixels; None if it is a probability.

    Returns:
        Number or array of the same shape, in bits per dimension.

    Reference:
        [Theis et al., 2016, section 3.1](https://arxiv.org/abs/1511.01844).
    """
    width = 0.0 if levels is None else math.log2(checks.integer("levels", levels, least=2))
    return -np.asarray(log_likelihood) / (math.prod(input_shape) * math.log(2.0)) + width
