"""The parts of a graph, and the names by which they are identified."""

from __future__ import annotations

import dataclasses

import keras

from keras_cvae import names
from keras_cvae.checks import ArgumentError


@dataclasses.dataclass
class Group:
    """A group of latents, which depends on the groups above it.

    Attributes:
        index: Its number, from 0.
        size: The number of latents.
        prior: The `priors.Prior` of the group, which may depend on y and the groups above.
        posterior: Model `[features, above]` to `[z_mean, z_log_var]`; None for the first group,
            whose posterior is the encoder's.
    """

    index: int
    size: int
    prior: keras.layers.Layer
    posterior: keras.Model | None = None

    def name_of(self, name: str) -> str:
        """Returns the name of a layer of the group, such as `kl` or `kl_2`."""
        return names.of_group(name, self.index)


@dataclasses.dataclass
class Parts:
    """The parts of a graph.

    Attributes:
        encoder: Model `[pixels, y]` to z_mean and z_log_var of the first group, and features where
            there are more groups.
        groups: The groups of latents.
        decoder: Model `[z, y]` to the likelihood's parameters.
        likelihood: The `likelihoods.Likelihood`.
        condition: The `conditions.Condition`, or None.
        classifier: Model from `pixels` to logits, if labels are inferred, or None.
        binarize: The layer that makes pixels black or white, or None.
        standardize: The layer that scales x to unit variance before the encoder, or None.
        corruption: The layer that corrupts the encoder's input in training, or None.
        pseudo_inputs: The layer of pseudo-inputs, which the prior encodes, or None.
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

    def prior_arguments(self, group: Group, context, tensor) -> dict:
        """Returns the arguments of a group's prior by name, beside latents or noise.

        Args:
            group: The group.
            context: The concatenation of y and the groups above, of shape `(rows, width)`, or None.
            tensor: Any symbolic tensor of the graph.
        """

        def encode():
            inputs = self.pseudo_inputs(tensor)
            return self.encoder(inputs if len(inputs) > 1 else inputs[0])[:2]

        return group.prior.arguments(context, encode)

    @property
    def latent_dim(self) -> int:
        """The size of z, summed over all groups."""
        return sum(group.size for group in self.groups)


def by_name(model) -> dict[str, keras.layers.Layer]:
    """Returns a dict of the layers of a model by name, without its inputs."""
    inputs = {tensor.name for tensor in model.inputs}
    return {layer.name: layer for layer in model.layers if layer.name not in inputs}


def by_term(model) -> dict | None:
    """Returns the loss layers of a graph that a user wired, or None for one of `build_cvae`.

    Returns:
        Dict of the layers `divergence` and `reconstruction`, or None.

    Raises:
        ValueError: If the user's graph does not have exactly one of each.
    """
    here = by_name(model)
    wired = {"encoder", "decoder", "kl", "reconstruction"} <= here.keys()
    if wired and (len(model.inputs) == 1 or "condition" in here):
        return None
    layers = {"divergence": [], "reconstruction": []}
    for layer in here.values():
        kind = {"kl": "divergence"}.get(term := getattr(layer, "term", None), term)
        if kind in layers:
            layers[kind].append(layer)
    if any(len(each) != 1 for each in layers.values()):
        raise ArgumentError(
            None,
            "A `CVAE` must have one loss layer of the KL divergence, such as `KLDivergence`, and "
            "one `ReconstructionLoss`, both of which lead to its output; `keras.Model` takes any "
            "graph",
            f"{', '.join(here)}",
        )
    return {kind: layer for kind, (layer,) in layers.items()}
