"""The chain of groups of latents: z of each depends on y and the groups above it."""

from __future__ import annotations

from collections.abc import Callable

import keras


def latents(encoded, y, groups, sample: Callable) -> keras.KerasTensor:
    """Wires the chain of latents.

    Args:
        encoded: `[z_mean, z_log_var]` of the first group, and features if there are more groups.
        y: The condition, or None.
        groups: The `Group`s.
        sample: Function of a group, its z_mean, its z_log_var, and the concatenation of y and the
            groups above, of shape `(rows, width)` or None, to the group's z.

    Returns:
        The concatenated z of all groups, of shape `(rows, latent_dim)`.
    """
    mean, log_var, *features = encoded
    above = [] if y is None else [y]
    samples = []
    for group in groups:
        context = concatenate(above, group.name_of("above")) if above else None
        if group.posterior is not None:
            mean, log_var = group.posterior([*features, context])
        samples.append(sample(group, mean, log_var, context))
        above.append(samples[-1])
    return concatenate(samples, "latents")


def concatenate(tensors, name: str) -> keras.KerasTensor:
    """Concatenates vectors; returns a single one itself."""
    return tensors[0] if len(tensors) == 1 else keras.layers.Concatenate(name=name)(tensors)


def join_inputs(first, y) -> keras.KerasTensor | list:
    """Returns the argument of a model's call: `first`, or `[first, y]` if there is a y."""
    return first if y is None else [first, *keras.tree.flatten(y)]
