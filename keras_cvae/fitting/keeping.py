"""Resuming training after an interruption, with the same result as without it.

At the end of each epoch a `Keeper` saves everything that the next epochs depend on: variables of
the model and of the optimizer, and the states of all random generators, of the callbacks and of the
order of rows. The next `fit` restores it. Arrays then continue with the next epoch, whose order
depends on its number only. A stream is read again up to this epoch, by Keras's own loop, whose
steps do nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_cvae.checks import ArgumentError, explain, require
from keras_cvae.fitting import blocks, callback_states, inside, randomness, streams
from keras_cvae.fitting.callbacks import BlockCallbacks
from keras_cvae.fitting.training_settings import STREAM


class Keeper(keras.callbacks.Callback):
    """Saves and restores the state of training; subclasses define where in `load` and `store`."""

    def load(self, settings: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the state to continue from, None to start from the beginning.

        Args:
            settings: The settings of training: nested dicts of numbers and texts.
        """
        raise NotImplementedError

    def store(self, state: dict[str, Any]) -> None:
        """Saves a state: nested dicts, lists and tuples of numbers, texts and arrays."""
        raise NotImplementedError


def keeper_of(callbacks) -> Keeper | None:
    """Returns the keeper among callbacks, or None.

    Raises:
        ValueError: If there are several, or one beside Keras's `BackupAndRestore`.
    """
    if isinstance(callbacks, keras.callbacks.CallbackList):
        return None
    callbacks = keras.tree.flatten(callbacks or [])
    keepers = [callback for callback in callbacks if isinstance(callback, Keeper)]
    if not keepers:
        return None
    others = [c for c in callbacks if isinstance(c, keras.callbacks.BackupAndRestore)]
    names = ", ".join(type(callback).__name__ for callback in [*keepers, *others])
    expected = "must have one callback that keeps the state of a training"
    require(len(keepers) + len(others) == 1, "callbacks", expected, names)
    return keepers[0]


class KeptCallbacks(BlockCallbacks):
    """Callbacks of a training that can be resumed; they wait while a stream is read again.

    Args:
        model: As for `BlockCallbacks`.
        options: Arguments of `fit`.
        train: As for `BlockCallbacks`; None where Keras takes the steps.
        test: As for `BlockCallbacks`.
        keeper: The `Keeper`.
        settings: What `training_settings.of` returned.
        batches: As for `BlockCallbacks`.
    """

    def __init__(
        self,
        model,
        options,
        train,
        test,
        keeper: Keeper,
        settings: dict[str, Any],
        batches: int | None = None,
    ):
        super().__init__(model, options, train, test, batches)
        for feed in (train, test):
            if isinstance(feed, streams.Streams):
                feed.is_summed = True
        self._keeper, self._began = keeper, randomness.states()
        self._state: dict[str, Any] | None = None
        self._first_epoch = options["initial_epoch"]
        others = [{"class": type(c).__name__, **callback_states.settings(c)} for c in self._others]
        self._settings = {**settings, "callbacks": others}
        self._feeds = {"x": train, "validation_data": test}
        is_numbered = isinstance(train, blocks.Blocks) and not isinstance(test, streams.Streams)
        self._jumps = is_numbered and settings["data"]["validation data"] != STREAM

    def on_train_begin(self, logs=None) -> None:
        model = self.model
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._state = state = self._keeper.load(self._settings)
        if state is None:
            super().on_train_begin(logs)
            self._keep(self._first_epoch, {})
            return
        with _is_of_training():
            values = [*state["variables"]]
        self._restore_variables(values)
        super().on_train_begin(logs)
        with _is_of_training():
            self._restore(state)
            epoch, epochs = state["epoch"], self.params["epochs"]
            if state["is_over"] or epoch >= epochs:
                inside.begin_at(model, max(epochs, 1))
            elif self._jumps:
                inside.begin_at(model, epoch)
            elif epoch > self._first_epoch:
                randomness.restore(self._began)
                model.skip_steps(True)

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self._skips(epoch):
            if self._train is not None:
                self._train.begin_epoch(epoch)
            return
        if self._state is not None:
            self._check_orders(self._state["orders"])
            self.model.skip_steps(False)
            with _is_of_training():
                randomness.restore(self._state["generators"])
            self._state = None
        super().on_epoch_begin(epoch, logs)

    def on_epoch_end(self, epoch, logs=None) -> None:
        if self._skips(epoch):
            return
        super().on_epoch_end(epoch, logs)
        logs = {name: float(value) for name, value in (logs or {}).items()}
        if all(map(math.isfinite, logs.values())):
            self._keep(epoch + 1, logs)

    def on_train_end(self, logs=None) -> None:
        super().on_train_end(self._state["logs"] if self._state is not None else logs)
        self._state = None

    def on_train_batch_begin(self, batch, logs=None) -> None:
        if self._state is None:
            super().on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch, logs=None) -> None:
        if self._state is None:
            super().on_train_batch_end(batch, logs)

    def on_test_begin(self, logs=None) -> None:
        if self._state is None:
            super().on_test_begin(logs)

    def on_test_end(self, logs=None) -> None:
        if self._state is None:
            super().on_test_end(logs)

    def on_test_batch_begin(self, batch, logs=None) -> None:
        if self._state is None:
            super().on_test_batch_begin(batch, logs)

    def on_test_batch_end(self, batch, logs=None) -> None:
        if self._state is None:
            super().on_test_batch_end(batch, logs)

    def _skips(self, epoch):
        return self._state is not None and epoch < self._state["epoch"]

    @property
    def _others(self):
        """The callbacks that have a state; the keeper and what shows progress have none."""
        stateless = (Keeper, keras.callbacks.ProgbarLogger)
        others = [c for c in self.callbacks if not isinstance(c, stateless)]
        return [callback for callback in others if getattr(callback, "has_state", True)]

    def _keep(self, epoch, logs):
        variables = [np.array(keras.ops.convert_to_numpy(v)) for v in self._variables()]
        feeds = self._feeds.values()
        self._keeper.store(
            {
                "settings": self._settings,
                "epoch": epoch,
                "epochs": self.params["epochs"],
                "is_over": bool(self.model.stop_training),
                "logs": logs,
                "variables": variables,
                "callbacks": [(type(c).__name__, callback_states.get(c)) for c in self._others],
                "orders": [None if feed is None else feed.order_state for feed in feeds],
                "began": self._began,
                "generators": randomness.states(),
            }
        )

    def _variables(self):
        model = self.model
        of_layers = [*model.variables, *inside.generator_states(model)]
        variables = {id(variable): variable for variable in of_layers}
        for metric in model.metrics_variables:  # which begin anew in each epoch
            variables.pop(id(metric), None)
        return [*variables.values(), *model.optimizer.variables]

    def _restore(self, state):
        """Sets what is no variable: callbacks, and the orders of rows."""
        kept = [*state["callbacks"]]
        for callback in self._others:  # of one class in their order
            of_class = (each for each in kept if each[0] == type(callback).__name__)
            if state_of := next(of_class, None):
                kept = [each for each in kept if each is not state_of]
                callback_states.restore(callback, state_of[1])
        self._began = state["began"]
        for feed, order in zip(self._feeds.values(), state["orders"], strict=True):
            if feed is not None:
                feed.resume(order)

    def _restore_variables(self, values):
        variables = self._variables()
        shapes = [tuple(variable.shape) for variable in variables]
        kept = [np.shape(value) for value in values]
        expected = "The model must have the variables of the one that was trained"
        differ = [f"{a} in place of {b}" for a, b in zip(shapes, kept, strict=False) if a != b]
        received = f"{len(shapes)} in place of {len(kept)}, of shapes {', '.join(differ[:3])}"
        require(shapes == kept, None, expected, received)
        with _is_of_training():
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)

    def _check_orders(self, kept):
        for (name, feed), order in zip(self._feeds.items(), kept, strict=True):
            if feed is None or feed.order_state == order:
                continue
            raise ArgumentError(
                name,
                "must be a stream that yields the same batches in every process, so that training "
                "can go on where it ended: seed whatever shuffles or changes its examples",
                "other batches than before",
            )


def _is_of_training():
    """Explains errors of a state that is not what `KeptCallbacks` keeps."""
    return explain(None, "The checkpoint must contain the state of a training, undamaged")


def reading_alone(model, feed) -> Callable:
    """Returns a train or test function for Keras's loop that reads a batch and takes no step.

    Args:
        model: The model.
        feed: The `Blocks` or `Streams` that are read; None where Keras takes the steps.
    """
    if isinstance(feed, streams.Streams):
        return feed.function(None)

    def read(*args):
        *state, data = args  # a state comes first on JAX
        if not isinstance(data, list):  # else Keras has read it
            for _ in range(model.steps_per_execution):
                next(data)
        return ({}, *state) if state else {}

    return read
