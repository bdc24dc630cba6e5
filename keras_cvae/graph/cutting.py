"""The models that are cut from a graph: encoder, decoder, generator and others."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable
from typing import Any

import keras

from keras_cvae import names
from keras_cvae.fitting import inside
from keras_cvae.graph.chain import concatenate, join_inputs, latents
from keras_cvae.graph.parts import Parts, by_name
from keras_cvae.graph.reading import read
from keras_cvae.layers import ImageModel
from keras_cvae.types import Tensor


def pixels(model, deterministic: bool = True) -> Tensor:
    """Returns the symbolic pixels that a model's encoder takes.

    Args:
        model: A `CVAE`.
        deterministic: Whether to skip a random binarisation, so that grey pixels stay grey.
    """
    here, tensor = by_name(model), model.inputs[0]
    for name in ("pixels", "binarize", "standardize"):
        layer = here.get(name)
        if layer is not None and not (deterministic and getattr(layer, "is_random", False)):
            tensor = layer.output
    return tensor


def condition_of(model, parts: Parts, to_encode: bool = False) -> tuple:
    """Returns the inputs of a cut model for its condition, and the y that they define.

    Args:
        model: A `CVAE`.
        parts: Its parts.
        to_encode: Whether the image is an input, so that y may be inferred from it.

    Returns:
        `(inputs, y)`: a list of symbolic inputs and a symbolic tensor, or `([], None)`.
    """
    condition, inputs = parts.condition, list(model.inputs[1:])
    if condition is None:
        return [], None
    if to_encode and condition.infers:
        return condition.inferred_y(inputs, parts.classifier(pixels(model)))
    return inputs, condition.known_y(inputs)


def encode_pixels(model, parts: Parts) -> tuple:
    """Wires the encoder to pixels as they are after any binarisation.

    Args:
        model: A `CVAE`.
        parts: Its parts.

    Returns:
        `(x, inputs, y, encoded)`: symbolic pixels of shape `(batch, *image_shape)`, a list of the
        inputs of the condition, y or None, and the output of the encoder.
    """
    x = keras.Input(model.image_shape, name="pixels")
    inputs, y = condition_of(model, parts)
    to_encoder = y is not None and parts.condition.encoder
    seen = x if parts.standardize is None else parts.standardize(x)
    return x, inputs, y, parts.encoder(join_inputs(seen, y if to_encoder else None))


def unfold(model, part: keras.Model, tensors) -> Any:
    """Applies a part of the graph layer by layer, so that a model cut from it shows the layers.

    Args:
        model: A `CVAE`.
        part: Its encoder, decoder, classifier or the posterior of a group of latents. It stays a
            single layer if a layer in it has the name of a layer outside.
        tensors: Its input tensors.

    Returns:
        Its symbolic outputs.
    """
    outside = {*names.INPUTS, *names.PARTS, *model.input_names}
    if outside & by_name(part).keys():
        return part(tensors)
    return inside.layer_by_layer(part, tensors)


def cut_encoder(model) -> keras.Model:
    """Returns the model from `[image, label]` (or `image`) to `[z_mean, z_log_var]` of all z."""
    parts = read(model)
    inputs, y = condition_of(model, parts, to_encode=True)
    to_encoder = y is not None and parts.condition.encoder
    joined = join_inputs(pixels(model), y if to_encoder else None)
    encoded = unfold(model, parts.encoder, joined)
    groups = [
        dataclasses.replace(group, posterior=functools.partial(unfold, model, group.posterior))
        if group.posterior is not None
        else group
        for group in parts.groups
    ]
    means, log_vars = [], []

    def at_the_mean(group, mean, log_var, context):
        means.append(mean)
        log_vars.append(log_var)
        return mean

    latents(encoded, y, groups, at_the_mean)
    outputs = [concatenate(means, "means"), concatenate(log_vars, "log_vars")]
    encoder = _model("encoder", [model.inputs[0], *inputs], outputs)
    if parts.encoder in model.layers:  # else its layers are the graph's own
        inside.call_first(encoder, parts.encoder)
    return encoder


def cut_encoder_inputs(model) -> keras.Model:
    """Returns the model from `[image, label]` (or `image`) to a list of inputs of the encoder."""
    parts = read(model)
    inputs, y = condition_of(model, parts, to_encode=True)
    to_encoder = y is not None and parts.condition.encoder
    outputs = [pixels(model), *([y] if to_encoder else [])]
    return _model("encoder_inputs", [model.inputs[0], *inputs], outputs)


def cut_decoder(model, output: Callable | None = None) -> keras.Model:
    """Returns the model from `[z, label]` (or `z`) to the likelihood's parameters.

    Args:
        model: A `CVAE`.
        output: Function of the parameters to return instead of them.
    """
    parts = read(model)
    inputs, y = condition_of(model, parts)
    z = keras.Input((parts.latent_dim,), name="z")
    parameters = unfold(model, parts.decoder, join_inputs(z, y))
    if output is not None:
        return _model("decoder", [z, *inputs], output(parameters))
    decoder = _model("decoder", [z, *inputs], parameters)
    if parts.decoder in model.layers:  # else its layers are the graph's own
        inside.call_first(decoder, parts.decoder)
    return decoder


def cut_generator(model, output: Callable | None = None) -> keras.Model:
    """Returns the model from `[noise, label]` (or `noise`), from N(0, I), to the mean image.

    Args:
        model: A `CVAE`.
        output: Function of the likelihood's parameters to return instead of the mean. The model
            then has an input for the temperature, of shape `(batch, 1)`, after the noise.
    """
    parts = read(model)
    inputs, y = condition_of(model, parts)
    noise = keras.Input((parts.latent_dim,), name="z")
    if output is not None:
        temperature = keras.Input((1,), name="temperature")
        inputs = [temperature, *inputs]
    each = _by_group(noise, parts.groups)

    def from_the_prior(group, mean, log_var, context):
        arguments = {} if output is None else {"temperature": temperature}
        arguments |= parts.prior_arguments(group, context, noise)
        return group.prior(each[group.index], **arguments)

    groups = [dataclasses.replace(group, posterior=None) for group in parts.groups]
    z = latents((None, None), y, groups, from_the_prior)
    parameters = unfold(model, parts.decoder, join_inputs(z, y))
    return _model("generator", [noise, *inputs], (output or parts.likelihood)(parameters))


def cut_noise(model) -> keras.Model:
    """Returns the model from `[z, label]` (or `z`) to the noise that the generator maps to z."""
    parts = read(model)
    inputs, y = condition_of(model, parts)
    z = keras.Input((parts.latent_dim,), name="z")
    each = _by_group(z, parts.groups)
    noise = []

    def to_noise(group, mean, log_var, context):
        arguments = parts.prior_arguments(group, context, z)
        noise.append(group.prior(each[group.index], inverse=True, **arguments))
        return each[group.index]

    groups = [dataclasses.replace(group, posterior=None) for group in parts.groups]
    latents((None, None), y, groups, to_noise)
    return _model("noise", [z, *inputs], concatenate(noise, "noises"))


def cut_condition(model) -> keras.Model | None:
    """Returns the model from the inputs of the condition to y, or None without a condition."""
    inputs, y = condition_of(model, read(model))
    return ImageModel(inputs, y, name="condition") if inputs else None


def cut_classifier(model) -> keras.Model:
    """Returns the model from `image` to probabilities q(y | x), if the model infers labels."""
    logits = unfold(model, read(model).classifier, pixels(model))
    probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(logits)
    return _model("classifier", model.inputs[:1], probabilities)


def _by_group(vector, groups):
    """Splits a vector of all latents, or of their noise, by group."""
    ends = list(itertools.accumulate(group.size for group in groups))
    return keras.ops.split(vector, ends[:-1], axis=-1) if len(ends) > 1 else [vector]


def _model(name, inputs, outputs):
    model = ImageModel(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
    model(model.input)  # Keras exports no model that was never called
    return model
