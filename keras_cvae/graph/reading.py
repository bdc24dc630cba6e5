"""Identifies the parts of a model by their names, or by the tensors of a user's graph."""

from __future__ import annotations

from keras_cvae import names
from keras_cvae.graph import by_hand
from keras_cvae.graph.parts import Group, Parts, by_name, by_term


def read(model) -> Parts:
    """Returns the parts of a model.

    Args:
        model: A `CVAE`.
    """
    here = by_name(model)
    if (loss_layers := by_term(model)) is not None:
        return by_hand.read(model, **loss_layers)
    encoder, groups = here["encoder"], []
    while (name := names.of_group("kl", len(groups))) in here:
        index = len(groups)
        posterior = here.get(names.of_group("posterior", index)) if index else None
        size = (posterior or encoder).outputs[0].shape[-1]
        groups.append(Group(index, size, here[name].prior, posterior))
    optional = "condition", "classifier", "binarize", "standardize", "corruption", "pseudo_inputs"
    optional = map(here.get, optional)
    return Parts(encoder, groups, here["decoder"], here["reconstruction"].likelihood, *optional)
