"""Wires the parts of a model to its graph."""

from __future__ import annotations

import math

import keras
import numpy as np

from keras_cvae import layers, networks
from keras_cvae.checks import ArgumentError
from keras_cvae.graph.chain import join_inputs
from keras_cvae.graph.parts import Group, Parts


def wire(
    input_shape,
    condition,
    latent_dim,
    network,
    likelihood,
    prior,
    objective,
    binarize=None,
    corruption=None,
) -> tuple[list, keras.KerasTensor]:
    """Wires a model.

    Args:
        input_shape: Shape of one image or vector.
        condition: A `conditions.Condition` that is not in a graph yet, or None.
        latent_dim: Size of z, summed over all groups.
        network: A `networks.Network`.
        likelihood: A `likelihoods.Likelihood`.
        prior: The `priors.Prior` of the first group.
        objective: An `objectives.Objective`.
        binarize: A `layers.Binarize`, or None.
        corruption: A `corruptions.Corruption`, or None.

    Returns:
        `(inputs, output)`: symbolic inputs, the image first, and the symbolic reconstruction.
    """
    image = pixels = keras.Input(input_shape, name="image")
    if likelihood.support == (0.0, 1.0) or binarize is not None:
        pixels = layers.UnitInterval(name="pixels")(pixels)
    if binarize is not None:
        pixels = binarize(pixels)
    seen, bounds = pixels, likelihood.support if binarize is None else (0.0, 1.0)
    standardizer = likelihood.standardizer() if binarize is None else None
    if standardizer is not None:
        seen, bounds = standardizer(pixels), (-math.inf, math.inf)
    if corruption is not None:
        corruption.set_default_bounds(bounds)
        seen = corruption(seen)
    inputs, encoder_y, y = condition.wire(seen, network) if condition else ([], None, None)
    encoder = network.encoder(seen.shape[1:], networks.as_condition(encoder_y), latent_dim)
    shape = likelihood.parameter_shape(input_shape)
    decoder = network.decoder(shape, networks.as_condition(y), latent_dim)
    if network.is_own and likelihood.support == (0.0, 1.0):
        _check_logits(decoder, likelihood)
    x = pixels
    if condition is not None:
        both = condition.repeat_rows([seen] if seen is pixels else [seen, pixels])
        seen, x = both[0], both[-1]
    encoded = encoder(join_inputs(seen, encoder_y))

    groups = [Group(0, encoded[0].shape[-1], prior)]
    above = (0 if y is None else y.shape[-1]) + groups[0].size
    for index, size in enumerate(network.group_sizes(latent_dim)[1:], start=1):
        features_shape = tuple(encoded[-1].shape[1:])
        posterior = network.lower_posterior(index, features_shape, above, size)
        groups.append(Group(index, size, network.lower_prior(index), posterior))
        above += size
    parts = Parts(encoder, groups, decoder, likelihood, condition)
    shapes = [tensor.shape[1:] for tensor in encoder.inputs]
    parts.pseudo_inputs = prior.pseudo_inputs(shapes, in_unit_interval=bounds == (0.0, 1.0))
    output = objective.wire(x, encoded, y, parts)
    return [image, *inputs], output if condition is None else condition.choose_rows(output)


def _check_logits(decoder, likelihood):
    """Raises `ArgumentError` if a decoder of logits ends in a sigmoid or a ReLU."""
    rng = np.random.default_rng(0)
    shapes = [(32, *tensor.shape[1:]) for tensor in decoder.inputs]
    inputs = [keras.ops.convert_to_tensor(rng.standard_normal(s, "float32")) for s in shapes]
    logits = keras.ops.convert_to_numpy(decoder(inputs if len(inputs) > 1 else inputs[0]))
    if logits.min() >= 0 and np.ptp(logits) > 0:
        raise ArgumentError(
            "network",
            f"must have a decoder that returns the parameters of {type(likelihood).__name__}, "
            "logits of any sign: leave out the sigmoid (or ReLU) at its end",
            f"a decoder that returned values from {logits.min():.2f} to {logits.max():.2f}",
        )
