"""What networks and objectives are: arguments, of which layers are made anew for each model."""

from __future__ import annotations

import inspect
import warnings

import keras


class Recipe:
    """An object that is its arguments, each an attribute of the same name, and owns no layers."""

    def get_config(self) -> dict:
        """The arguments, as JSON takes them."""
        names = [*inspect.signature(type(self)).parameters]
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: dict):
        """Makes it again of its config."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )


def describe(recipe: Recipe) -> dict | None:
    """The config of a recipe, class included; None of one that does not keep its arguments."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of what is unsafe in a file
            return keras.saving.serialize_keras_object(recipe)
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None
