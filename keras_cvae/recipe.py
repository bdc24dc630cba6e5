"""The base class of networks and objectives: the arguments from which layers are created."""

from __future__ import annotations

import inspect
import warnings

import keras


class Recipe:
    """An object without layers, whose arguments are attributes of the same names."""

    def get_config(self) -> dict:
        """Returns the arguments, serialized."""
        names = [*inspect.signature(type(self)).parameters]
        return {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in names}

    @classmethod
    def from_config(cls, config: dict) -> Recipe:
        """Creates an object from its config."""
        return cls(
            **{
                name: keras.saving.deserialize_keras_object(value)
                if isinstance(value, dict)
                else value
                for name, value in config.items()
            }
        )


def describe(recipe: Recipe) -> dict | None:
    """Returns the class and config of a recipe, or None if it does not store its arguments."""
    try:
        with warnings.catch_warnings(action="ignore"):  # about what is unsafe only in files
            return keras.saving.serialize_keras_object(recipe)
    except (AttributeError, TypeError, ValueError, NotImplementedError):
        return None
