"""The parts that a graph is wired of, and how they are found again by their names."""

from __future__ import annotations

import dataclasses

import keras

from keras_cvae import names
from keras_cvae.checks import ArgumentError


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
        return names.of_group(name, self.index)


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


def by_name(model) -> dict[str, keras.layers.Layer]:
    """The layers of a model by their names, without those of its inputs, which a user names."""
    inputs = {tensor.name for tensor in model.inputs}
    return {layer.name: layer for layer in model.layers if layer.name not in inputs}


def by_term(model) -> dict | None:
    """The loss layers of a graph that a user wired, or None of one of `build_cvae`.

    Raises:
        ValueError: If there is not one of each.
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
