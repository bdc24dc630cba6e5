"""The aggregate posterior: encodings of examples, to which a prior is fitted."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from keras_cvae import batched, graph
from keras_cvae.evaluation import examples
from keras_cvae.priors.fitting import Encodings

MOST = 100_000  # encoded examples
UNLABELLED = 8_000  # of these, the number encoded again without labels


def encodings(cvae, batches: Iterable[tuple]) -> Encodings:
    """Encodes examples, for the first group of latents.

    If the model was trained with unknown labels, some images are encoded without labels too.

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
