"""Calls loss layers at the beginning of a training, with its length, and at the end."""

from __future__ import annotations

import keras


class Announcer(keras.callbacks.Callback):
    """Calls `on_fit_begin` and `on_fit_end` of a model's loss layers.

    Args:
        examples: The number of training examples; None for a stream.
    """

    def __init__(self, examples: int | None = None):
        super().__init__()
        self._examples = examples

    def on_train_begin(self, logs=None) -> None:
        self._begun = False

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if not self._begun:
            self._begun = True
            epochs = self.params["epochs"] - epoch  # a resumed training begins at a later epoch
            for layer in self.model.loss_layers:
                layer.on_fit_begin(self._examples, self.params["steps"], epochs)

    def on_train_end(self, logs=None) -> None:
        if self._begun:  # else nothing was left to train
            for layer in self.model.loss_layers:
                layer.on_fit_end()

    def get_state(self) -> dict:
        """Returns an empty state: a resumed training calls `on_fit_begin` again."""
        return {}

    def set_state(self, state) -> None:
        """Does nothing."""
