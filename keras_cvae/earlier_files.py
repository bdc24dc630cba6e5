"""Files of earlier versions, in which layers had fewer weights."""

from __future__ import annotations

from collections.abc import Mapping


def fill(store: Mapping, variables: list) -> dict:
    """Adds the weights that an earlier version of a layer did not have.

    Args:
        store: The layer's weights in a file, as for `keras.layers.Layer.load_own_variables`.
        variables: The layer's own variables, new ones last.

    Returns:
        Dict of weights by number, with the variable's current value if the file does not have it.
    """
    saved = set(store.keys())
    names = map(str, range(len(variables)))
    return {
        name: store[name] if name in saved else variable
        for name, variable in zip(names, variables, strict=True)
    }
