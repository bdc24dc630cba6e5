"""Fits a prior to the aggregate posterior of a model, the encodings of its training data."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from keras_cvae import batched, copying, evaluation, graph, priors
from keras_cvae.data import inputs
from keras_cvae.evaluation import examples
from keras_cvae.fitting.inside import calls
from keras_cvae.priors.fitting import Encodings, best_of

MAX_EXAMPLES = 100_000  # to encode
UNLABELLED = 8_000  # examples that are encoded a second time, without their labels


def fit(cvae, data: tuple, prior, validation_data, seed: int, verbose: int) -> dict:
    """Fits a prior and replaces the model's prior with it; see `CVAE.fit_prior`.

    Args:
        cvae: A `CVAE`.
        data: `(x, y)`.
        prior: As for `CVAE.fit_prior`.
        validation_data: As for `CVAE.fit_prior`.
        seed: As for `CVAE.fit_prior`.
        verbose: As for `CVAE.fit_prior`.

    Returns:
        As `CVAE.fit_prior`.
    """
    if isinstance(prior, str):
        size = graph.read(cvae).groups[0].size
        candidates = priors.to_fit(prior, cvae.condition is not None, size)
    else:
        candidates = {"prior": copying.own_copy(priors.get, prior, "prior")}
    wired = {name: graph.with_prior(cvae, each) for name, each in candidates.items()}
    pairs = _pairs(cvae, data, seed)
    first = next(pairs)
    train = encodings(cvae, itertools.chain([first], pairs))
    held_out = None
    if validation_data is not None:
        is_pair = isinstance(validation_data, (list, tuple))
        held_out = _pairs(cvae, validation_data if is_pair else (validation_data,), seed)
        held_out = encodings(cvae, held_out)
    new = {name: each for name, (_, each) in wired.items()}
    name, report = best_of(new, train, held_out, seed, verbose)
    output, _ = wired[name]
    before = evaluation.terms(cvae, *first, draws=1, seed=seed)["elbo"].mean()
    calls.rewire(cvae, output)
    after = evaluation.terms(cvae, *first, draws=1, seed=seed)["elbo"].mean()
    return {**report, "elbo_before": float(before), "elbo_after": float(after)}


def _pairs(cvae, data, seed):
    """Iterates over checked images and labels, batch by batch."""
    data, _ = cvae.intake.take(*data[:2])
    batches = inputs.batches(data, MAX_EXAMPLES, seed)
    return map(cvae.intake.pair, map(cvae.intake.checker(), batches))


def encodings(cvae, batches: Iterable[tuple]) -> Encodings:
    """Encodes examples for the first group of latents.

    If the model was trained with unknown labels, some images are also encoded without labels.

    Args:
        cvae: A `CVAE`.
        batches: Iterable of `(images, labels)`, as `CVAE.encode` takes them.

    Returns:
        The encodings, with the vectors y that the prior takes.
    """
    embed = graph.cut_condition(cvae)
    condition, size = cvae.condition, graph.read(cvae).groups[0].size
    encode_without = embed and not condition.infers and condition.has_seen_unknown
    parts = []

    def encode(images, labels):
        images, known = examples.check(cvae, images, labels)
        z_mean, z_log_var = (part[:, :size] for part in cvae.encode(images, labels))
        y = () if embed is None else (batched.predict(embed, known),)
        parts.append((z_mean, z_log_var, *y))

    unlabelled = 0
    for images, labels in batches:
        encode(images, labels)
        if encode_without and unlabelled < UNLABELLED:
            encode(images, None)
            unlabelled += len(images)
    z_mean, z_log_var, *y = map(np.concatenate, zip(*parts, strict=True))
    return Encodings(z_mean, z_log_var, *y)
