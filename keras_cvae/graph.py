"""The one graph of a model: how the parts are wired, and how other models are cut from it.

    image -> [pixels] -> [binarize] -> [standardize] -> [corruption] -> encoder -> latents
    latents -> decoder -> reconstruction
    label -> condition -> y, which encoder, prior and decoder are given

A condition that looks at several y for each example makes rows of it before the encoder, which all
that follows takes for examples, and of the rows of the reconstruction one for each example again.
What lies between encoder and reconstruction is the objective's; the chain of latents is the same
for all: each group's z is drawn given y and the groups before it, and only the way of drawing
differs: from the posterior for training and for the K-sample bound, its mean for embedding, from
the prior for generation. Parts are found again by their names, which a saved model keeps.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable

import keras
import numpy as np

from keras_cvae import importance, layers, networks


@dataclasses.dataclass
class Group:
    """A group of latents: each depends on those before it.

    Attributes:
        index: Its number, from 0.
        size: How many latents it has.
        prior: The `priors.Prior` of the group, given y and the groups before it.
        posterior: Model `[features, above]` to `[z_mean, z_log_var]`; None for the first group,
            whose posterior is the encoder's.
    """

    index: int
    size: int
    prior: keras.layers.Layer
    posterior: keras.Model | None = None

    def called(self, name: str) -> str:
        """What a layer of the group is called: `kl`, or `kl_2`."""
        return importance.group_name(name, self.index)


@dataclasses.dataclass
class Parts:
    """The parts that a graph is wired of.

    Attributes:
        encoder: Model `[pixels, y]` to z_mean and z_log_var of the first group, and features where
            there are more groups.
        groups: The groups of latents.
        decoder: Model `[z, y]` to the likelihood's parameters.
        likelihood: The `likelihoods.Likelihood`.
        condition: The `conditions.Condition`, or None.
        classifier: Model `pixels` to logits, where labels are inferred, or None.
        binarize: The layer that makes pixels black or white, or None.
        standardize: The layer that brings x to unit scale before it is encoded, or None.
        corruption: The layer that spoils, in training, what is encoded, or None.
        pseudo_inputs: The layer of what else the encoder is applied to, for the prior, or None.
    """

    encoder: keras.Model
    groups: list[Group]
    decoder: keras.Model
    likelihood: keras.layers.Layer
    condition: keras.layers.Layer | None = None
    classifier: keras.Model | None = None
    binarize: keras.layers.Layer | None = None
    standardize: keras.layers.Layer | None = None
    corruption: keras.layers.Layer | None = None
    pseudo_inputs: keras.layers.Layer | None = None

    def given(self, group: Group, context, tensor) -> dict:
        """What a group's prior is called with, beside latents or noise: arguments by name.

        Args:
            group: The group.
            context: What the group depends on, of shape `(rows, width)`, or None.
            tensor: Any symbolic tensor of the graph.
        """

        def encode():
            inputs = self.pseudo_inputs(tensor)
            return self.encoder(inputs if len(inputs) > 1 else inputs[0])[:2]

        return group.prior.given(context, encode)

    @property
    def latent_dim(self) -> int:
        """Size of z, all groups together."""
        return sum(group.size for group in self.groups)


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
        condition: A `conditions.Condition` that belongs to no graph yet, or None.
        latent_dim: Size of z, all groups together.
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
        seen = corruption.within(bounds)(seen)
    inputs, encoder_y, y = condition.wire(seen, network) if condition else ([], None, None)
    encoder = network.encoder(seen.shape[1:], networks.given(encoder_y), latent_dim)
    shape = likelihood.parameter_shape(input_shape)
    decoder = network.decoder(shape, networks.given(y), latent_dim)
    if network.is_own and likelihood.support == (0.0, 1.0):
        _check_logits(decoder, likelihood)
    x = pixels
    if condition is not None:
        both = condition.every_row([seen] if seen is pixels else [seen, pixels])
        seen, x = both[0], both[-1]
    encoded = encoder(join_inputs(seen, encoder_y))

    groups = [Group(0, encoded[0].shape[-1], prior)]
    above = (0 if y is None else y.shape[-1]) + groups[0].size
    for index, size in enumerate(network.group_sizes(latent_dim)[1:], start=1):
        features_shape = tuple(encoded[-1].shape[1:])
        posterior = network.lower_posterior(index, features_shape, above, size)
        groups.append(Group(index, size, network.lower_prior(), posterior))
        above += size
    parts = Parts(encoder, groups, decoder, likelihood, condition)
    shapes = [tensor.shape[1:] for tensor in encoder.inputs]
    parts.pseudo_inputs = prior.pseudo_inputs(shapes, in_unit_interval=bounds == (0.0, 1.0))
    output = objective.wire(x, encoded, y, parts)
    return [image, *inputs], output if condition is None else condition.one_row(output)


def _check_logits(decoder, likelihood):
    """Refuses a decoder that ends in a sigmoid or a ReLU where it is asked for logits."""
    rng = np.random.default_rng(0)
    shapes = [(32, *tensor.shape[1:]) for tensor in decoder.inputs]
    given = [keras.ops.convert_to_tensor(rng.standard_normal(s, "float32")) for s in shapes]
    found = keras.ops.convert_to_numpy(decoder(given if len(given) > 1 else given[0]))
    if found.min() >= 0 and np.ptp(found) > 0:
        raise ValueError(
            f"The decoder must return what {type(likelihood).__name__} asks for, which for black "
            "and white pixels are logits, of any sign: leave out the sigmoid (or ReLU) at its end. "
            f"Received: a decoder that returned values from {found.min():.2f} to {found.max():.2f}"
        )


def latents(encoded, y, groups, draw: Callable) -> keras.KerasTensor:
    """Wires the chain of latents.

    Args:
        encoded: `[z_mean, z_log_var]` of the first group, and features where there are more.
        y: The condition, or None.
        groups: The `Group`s.
        draw: Function of a group, its z_mean, its z_log_var and what it depends on, of shape
            `(rows, width)` or None, to the group's z.

    Returns:
        All groups' z, end to end: of shape `(rows, latent_dim)`.
    """
    mean, log_var, *features = encoded
    above = [] if y is None else [y]
    found = []
    for group in groups:
        context = end_to_end(above) if above else None
        if group.posterior is not None:
            mean, log_var = group.posterior([*features, context])
        found.append(draw(group, mean, log_var, context))
        above.append(found[-1])
    return end_to_end(found)


def end_to_end(tensors) -> keras.KerasTensor:
    """Concatenates vectors; of one it is that one."""
    return tensors[0] if len(tensors) == 1 else keras.layers.Concatenate()(tensors)


def join_inputs(first, y):
    """What a model of one or two inputs is called with."""
    return first if y is None else [first, y]


# Models cut from a graph


def read(model, trained: bool = False) -> Parts:
    """Finds the parts of a model again.

    Args:
        model: A `CVAE`.
        trained: Whether the prior is to be the one that the model is trained with, even where
            another was fitted afterwards.
    """
    here = {layer.name: layer for layer in model.layers}
    encoder, groups = here["encoder"], []
    while (name := importance.group_name("kl", len(groups))) in here:
        index = len(groups)
        posterior = here.get(importance.group_name("posterior", index)) if index else None
        size = (posterior or encoder).outputs[0].shape[-1]
        groups.append(Group(index, size, here[name].prior, posterior))
    if not trained and model.fitted_prior is not None:
        groups[0].prior = model.fitted_prior
    names = "condition", "classifier", "binarize", "standardize", "corruption", "pseudo_inputs"
    optional = map(here.get, names)
    return Parts(encoder, groups, here["decoder"], here["reconstruction"].likelihood, *optional)


def pixels(model, deterministic: bool = True):
    """The symbolic pixels that a model's encoder is given.

    Args:
        model: A `CVAE`.
        deterministic: Whether to take grey pixels as they are where binarisation is random.
    """
    tensor = model.inputs[0]
    for layer in model.layers:
        is_binarize = layer.name == "binarize"
        is_taken = not (deterministic and layer.is_random) if is_binarize else False
        if layer.name in ("pixels", "standardize") or is_taken:
            tensor = layer.output
    return tensor


def condition_of(model, parts: Parts, to_encode: bool = False):
    """The inputs that tell a cut model its condition, and y.

    Args:
        model: A `CVAE`.
        parts: Its parts.
        to_encode: Whether the image is at hand, from which y may be inferred.

    Returns:
        `(inputs, y)`: a list of symbolic inputs and a symbolic tensor, or `([], None)`.
    """
    condition, inputs = parts.condition, list(model.inputs[1:])
    if condition is None:
        return [], None
    if to_encode and condition.infers:
        return condition.inferred(inputs, parts.classifier(pixels(model)))
    return inputs, condition.given(inputs)


def encode_pixels(model, parts: Parts):
    """Wires the encoder to pixels that are given as the model sees them, binarised or not.

    Args:
        model: A `CVAE`.
        parts: Its parts.

    Returns:
        `(x, inputs, y, encoded)`: symbolic pixels of shape `(batch, *image_shape)`, what else is to
        be given, y or None, and what the encoder returned.
    """
    x = keras.Input(model.image_shape, name="pixels")
    inputs, y = condition_of(model, parts)
    to_encoder = y is not None and parts.condition.encoder
    seen = x if parts.standardize is None else parts.standardize(x)
    return x, inputs, y, parts.encoder(join_inputs(seen, y if to_encoder else None))


def cut_encoder(model) -> keras.Model:
    """Model `[image, label]` (or `image`) to `[z_mean, z_log_var]` of all latents."""
    parts = read(model)
    inputs, y = condition_of(model, parts, to_encode=True)
    to_encoder = y is not None and parts.condition.encoder
    encoded = parts.encoder(join_inputs(pixels(model), y if to_encoder else None))
    means, log_vars = [], []

    def at_the_mean(group, mean, log_var, context):
        means.append(mean)
        log_vars.append(log_var)
        return mean

    latents(encoded, y, parts.groups, at_the_mean)
    outputs = [end_to_end(means), end_to_end(log_vars)]
    return _model("encoder", [model.inputs[0], *inputs], outputs)


def cut_encoder_inputs(model) -> keras.Model:
    """Model `[image, label]` (or `image`) to a list of what the encoder itself is given."""
    parts = read(model)
    inputs, y = condition_of(model, parts, to_encode=True)
    to_encoder = y is not None and parts.condition.encoder
    outputs = [pixels(model), *([y] if to_encoder else [])]
    return _model("encoder_inputs", [model.inputs[0], *inputs], outputs)


def cut_decoder(model, output: Callable = lambda parameters: parameters) -> keras.Model:
    """Model `[z, label]` (or `z`) to a function of the likelihood's parameters, or to these."""
    parts = read(model)
    inputs, y = condition_of(model, parts)
    z = keras.Input((parts.latent_dim,), name="z")
    parameters = parts.decoder(join_inputs(z, y))
    return _model("decoder", [z, *inputs], output(parameters))


def cut_generator(model, output: Callable | None = None) -> keras.Model:
    """Model `[noise, label]` (or `noise`) to the mean image, the noise being of N(0, I).

    Args:
        model: A `CVAE`.
        output: Function of the likelihood's parameters to what is wanted instead of the mean. The
            model then takes a temperature, of shape `(batch, 1)`, behind the noise.
    """
    parts = read(model)
    inputs, y = condition_of(model, parts)
    noise = keras.Input((parts.latent_dim,), name="z")
    if output is not None:
        temperature = keras.Input((1,), name="temperature")
        inputs = [temperature, *inputs]
    ends = list(itertools.accumulate(group.size for group in parts.groups))
    each = keras.ops.split(noise, ends[:-1], axis=-1) if len(ends) > 1 else [noise]

    def from_the_prior(group, mean, log_var, context):
        given = {} if output is None else {"temperature": temperature}
        given |= parts.given(group, context, noise)
        return group.prior(each[group.index], **given)

    groups = [dataclasses.replace(group, posterior=None) for group in parts.groups]
    z = latents((None, None), y, groups, from_the_prior)
    parameters = parts.decoder(join_inputs(z, y))
    return _model("generator", [noise, *inputs], (output or parts.likelihood)(parameters))


def cut_condition(model) -> keras.Model | None:
    """Model of what is known to y, or None where nothing is."""
    inputs, y = condition_of(model, read(model))
    return networks.ImageModel(inputs, y, name="condition") if inputs else None


def cut_classifier(model) -> keras.Model:
    """Model `image` to the probabilities q(y | x) of each class, where labels are inferred."""
    probabilities = keras.ops.softmax(read(model).classifier(pixels(model)))
    return _model("classifier", model.inputs[:1], probabilities)


def _model(name, inputs, outputs):
    model = networks.ImageModel(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
    model(model.input)  # Keras exports no model that was never called
    return model
