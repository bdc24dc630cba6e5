"""The variables of a model: which there are, and restoring them after an error."""

from __future__ import annotations

import contextlib
import importlib
import types
import weakref
from collections.abc import Iterator

import keras
import numpy as np

from keras_cvae.fitting.inside.graphs import layers

GLOBAL = "global_seed_generator"


class Fingerprint:
    """The variables and dtype policies of a model, which its compiled functions depend on.

    Enabling LoRA or quantizing a layer changes them; training changes neither.
    """

    def __init__(self, model: keras.Model):
        self._variables = [weakref.ref(variable) for variable in model.variables]
        self._policies = [layer.dtype_policy.name for layer in layers(model)]

    def is_of(self, model: keras.Model) -> bool:
        """Returns whether the model still has the same variables and dtype policies."""
        variables = model.variables
        return (
            len(variables) == len(self._variables)
            and all(ref() is now for ref, now in zip(self._variables, variables, strict=True))
            and [layer.dtype_policy.name for layer in layers(model)] == self._policies
        )


def generator_states(model: keras.Model) -> list:
    """Returns the states of a model's random generators, variables of two integers.

    Keras counts them among a model's variables, but not among its weights. Those of generators that
    are attributes of layers are returned in any case.
    """
    others = {id(variable) for variable in [*model.weights, *model.metrics_variables]}
    states = [variable for variable in model.variables if id(variable) not in others]
    states = [state for state in states if state.shape == (2,) and "int" in state.dtype]
    attributes = [value for layer in layers(model) for value in vars(layer).values()]
    generators = [value for value in attributes if isinstance(value, keras.random.SeedGenerator)]
    states += [generator.state for generator in generators]
    return [*{id(state): state for state in states}.values()]


def global_generator_state() -> np.ndarray | None:
    """Returns the state of Keras's global generator, used without a seed; None if unused."""
    generator = _of_all().get_global_attribute(GLOBAL)
    return None if generator is None else keras.ops.convert_to_numpy(generator.state)


def set_global_generator_state(value: np.ndarray) -> None:
    """Sets the state of that generator, which is made if it is not in use yet."""
    generator = _of_all().get_global_attribute(GLOBAL)
    if generator is None:
        generator = keras.random.SeedGenerator(0)
        _of_all().set_global_attribute(GLOBAL, generator)
    generator.state.assign(value)


def _of_all():
    """Returns an attribute that Keras keeps for all models; a later Keras may keep it elsewhere."""
    try:
        return importlib.import_module("keras.src.backend.common.global_state")
    except ImportError:
        return types.SimpleNamespace(
            get_global_attribute=lambda name: None, set_global_attribute=lambda name, value: None
        )


def begin_at(model: keras.Model, epoch: int | None) -> None:
    """Sets the epoch, from 0, that `fit` begins at: before `fit`, or in `on_train_begin`.

    `keras.callbacks.BackupAndRestore` sets it too, and Keras keeps it for every later `fit`.

    Args:
        model: The model.
        epoch: The epoch; None for the argument `initial_epoch` of `fit`.
    """
    model._initial_epoch = epoch


def give_back(model: keras.Model, state) -> None:
    """Assigns the values of a training state on JAX to a model's variables.

    Keras takes the values out of the variables during its loop and does not put them back where an
    error ends `evaluate` or the first step of `fit`.
    """
    parts = [model.trainable_variables, model.non_trainable_variables, model.metrics_variables]
    if len(state) > len(parts):
        parts.insert(2, model.optimizer.variables)
    for variables, values in zip(parts, state, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def restore_variables_on_error(model: keras.Model) -> Iterator[None]:
    """Restores a model's variables on JAX after an error in its loops, as Keras does not."""
    if keras.backend.backend() != "jax":
        yield
        return
    model._jax_state = None  # left by a loop that an error ended before
    variables = [*model.variables, *model.metrics_variables]
    if getattr(model, "optimizer", None) is not None:
        variables += model.optimizer.variables
    values = [(variable, variable.value) for variable in variables]
    try:
        yield
    except BaseException:
        model.jax_state_sync()  # after a step, to which the values before it were donated
        for variable, value in values:
            if variable._value is None:  # taken out before the first step
                variable.assign(value)
        raise
