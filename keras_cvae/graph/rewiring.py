"""Wires a model's graph with another prior: the part after the divergence is new."""

from __future__ import annotations

import dataclasses

import keras

from keras_cvae import checks
from keras_cvae.fitting.inside import calls
from keras_cvae.graph import by_hand
from keras_cvae.graph.parts import by_name, by_term
from keras_cvae.graph.reading import read


def with_prior(model, prior) -> tuple:
    """Wires a model's graph with another prior for its first group of latents.

    The new graph has a new layer of the KL divergence, and shares all others with the model.

    Args:
        model: A `CVAE`, which does not change.
        prior: A `priors.Prior`, which the new graph copies with its weights.

    Returns:
        `(output, prior)`: the symbolic reconstruction, and the copy of the prior, built.

    Raises:
        ValueError: If the graph has no y for a prior that depends on it, or the objective does not
            support the prior.
    """
    parts, terms = read(model), by_term(model)
    layers = terms or {"divergence": "kl", "reconstruction": "reconstruction"}
    if terms is None:
        layers = {term: by_name(model)[name] for term, name in layers.items()}
    before = layers["divergence"]
    ((mean, log_var, *z), *_), _ = calls.arguments(model, before)
    ((_, parameters, *_), *_), _ = calls.arguments(model, layers["reconstruction"])
    if terms is None:
        _, (_, *y), _ = calls.origin(parameters)
    else:
        y = [tensor for tensor in model.inputs[1:] if len(tensor.shape) == 2]
    checks.require(
        not prior.conditional or len(y) == 1,
        "prior",
        "must not depend on y if the graph has no vector y",
        type(prior).__name__,
    )
    divergence = _with_prior(before, prior)
    group = dataclasses.replace(parts.groups[0], prior=divergence.prior)
    shapes = [tensor.shape[1:] for tensor in parts.encoder.inputs]
    parts.pseudo_inputs = divergence.prior.pseudo_inputs(shapes, False)
    arguments = parts.prior_arguments(group, y[0] if y else None, mean)
    is_late = not z and divergence.needs_sample
    sample = by_hand.find_z(parameters, before, mean, log_var) if is_late else None

    def call(layer, output, args, kwargs):
        if layer is before:
            return args[0] if is_late else divergence(args[0], **arguments)
        called = layer(*args, **kwargs)
        if output is sample:  # the old divergence did not take z
            return divergence([mean, log_var, called], **arguments)[2]
        return called

    output = calls.again(model.outputs[0], before, call)
    _copy_weights(before, divergence)
    if prior.built:
        divergence.prior.set_weights(prior.get_weights())
    return output, divergence.prior


def _with_prior(layer, prior):
    """Returns a copy of a layer of the divergence with another prior."""
    config = {**layer.get_config(), "prior": keras.saving.serialize_keras_object(prior)}
    return type(layer).from_config(config)


def _copy_weights(before, after):
    """Copies the weights of a layer of the divergence, but not those of its prior."""

    def own(layer):
        of_prior = {id(weight) for weight in layer.prior.weights}
        return [weight for weight in layer.weights if id(weight) not in of_prior]

    for weight, value in zip(own(after), own(before), strict=True):
        weight.assign(value)
