"""Files of earlier versions, in which layers had fewer weights."""

from __future__ import annotations

from collections.abc import Mapping


def fill(store: Mapping, variables: list) -> dict:
    """Fills in the weights that a layer did not have yet when it was saved.

    Args:
        store: What a file has of the layer, as for `keras.layers.Layer.load_own_variables`.
        variables: The layer's own variables, new ones last.

    Returns:
        An entry for each variable, by its number: what it is now where the file has none.
    """
    saved = set(store.keys())
    names = map(str, range(len(variables)))
    return {
        name: store[name] if name in saved else variable
        for name, variable in zip(names, variables, strict=True)
    }
