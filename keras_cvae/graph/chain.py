"""The chain of latents: each group's z is drawn given y and the groups before it."""

from __future__ import annotations

from collections.abc import Callable

import keras


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
        context = end_to_end(above, group.called("above")) if above else None
        if group.posterior is not None:
            mean, log_var = group.posterior([*features, context])
        found.append(draw(group, mean, log_var, context))
        above.append(found[-1])
    return end_to_end(found, "latents")


def end_to_end(tensors, name: str) -> keras.KerasTensor:
    """Concatenates vectors; of one it is that one."""
    return tensors[0] if len(tensors) == 1 else keras.layers.Concatenate(name=name)(tensors)


def join_inputs(first, y):
    """What a model of one or two inputs is called with."""
    return first if y is None else [first, *keras.tree.flatten(y)]
