"""The same graph with another prior: what comes after the divergence is wired once more."""

from __future__ import annotations

import keras

from keras_cvae import checks
from keras_cvae.fitting import inside
from keras_cvae.graph.parts import Parts, by_name, by_term, read


def with_prior(model, prior):
    """Wires a model's graph with another prior of its first group of latents.

    The layer of the KL divergence is a new one; all others are those of the model, which itself
    stays as it is: `fitting.inside.rewire` makes it one of the new graph.

    Args:
        model: A `CVAE`.
        prior: A `priors.Prior`, which is copied, weights included.

    Returns:
        `(output, prior)`: the symbolic reconstruction, and the copy, which has been built.

    Raises:
        ValueError: If the objective or the condition of the model does not go with the prior.
    """
    parts, calls = read(model), inside.Calls(model)
    by_hand = by_term(model)
    here = by_name(model)
    divergence = by_hand["divergence"] if by_hand else here["kl"]
    reconstruction = by_hand["reconstruction"] if by_hand else here["reconstruction"]
    mean, log_var, *rest = calls.inputs(divergence)
    if isinstance(z := parts.z, type(None)):
        z = calls.inputs_of_origin(calls.inputs(reconstruction)[1])[0]
