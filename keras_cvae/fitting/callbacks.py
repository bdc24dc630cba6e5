"""Callbacks under fused steps: which of them have hooks for batches, and numbers of batches."""

from __future__ import annotations

import keras

from keras_cvae.fitting import inside

HOOKS = {
    "train": ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
}


class BlockCallbacks(keras.callbacks.CallbackList):
    """Callbacks whose hooks for batches are called with the first and last batch of each block.

    Args:
        model: The model that `fit` or `evaluate` is called on.
        options: Arguments of `fit` or `evaluate`: `callbacks`, `verbose` and perhaps `epochs`.
        train: The `Blocks` or `Streams` of training, or None.
        test: The `Blocks` or `Streams` of validation, or None.
        batches: Number of batches of an epoch where both are None.
    """

    def __init__(self, model, options, train, test, batches: int | None = None):
        super().__init__(
            options["callbacks"],
            add_history="epochs" in options,  # of `fit`
            add_progbar=options["verbose"] != 0,
            model=model,
            verbose=options["verbose"],
            epochs=options.get("epochs", 1),
            steps=(train or test).batches if train or test else batches,
        )
        self._train, self._test = train, test

    def on_epoch_begin(self, epoch, logs=None) -> None:
        if self._train:
            self._train.begin_epoch(epoch)
        super().on_epoch_begin(epoch, logs)

    def on_train_batch_begin(self, batch, logs=None) -> None:
        number = self._train.first_batch(batch) if self._train else batch
        self._call(super().on_train_batch_begin, number, logs)

    def on_train_batch_end(self, batch, logs=None) -> None:
        number = self._train.last_batch(batch) if self._train else batch
        self._call(super().on_train_batch_end, number, logs)

    def on_test_batch_begin(self, batch, logs=None) -> None:
        number = self._test.first_batch(batch) if self._test else batch
        self._call(super().on_test_batch_begin, number, logs)

    def on_test_batch_end(self, batch, logs=None) -> None:
        number = self._test.last_batch(batch) if self._test else batch
        self._call(super().on_test_batch_end, number, logs)

    def _call(self, hook, number, logs):
        if number is not None:  # None is a batch within a block
            hook(number, logs)


def looks_at_batches(callback: keras.callbacks.Callback, kind: str) -> bool:
    """Returns whether a callback must be called for every batch.

    It does if its class or the instance defines a hook for batches, unless the hook is one of
    Keras's own that does nothing with the callback's settings. One with `takes_blocks` leaves its
    hooks to be called once a block.

    Args:
        callback: A callback.
        kind: `"train"`, or `"test"` for validation and `evaluate`.
    """
    if getattr(callback, "takes_blocks", False):
        return False
    return any(_acts(callback, kind, hook) for hook in HOOKS[kind])


def _acts(callback, kind, hook):
    if hook in getattr(callback, "__dict__", ()):
        return True
    defined_by = next((cls for cls in type(callback).__mro__ if hook in vars(cls)), None)
    if defined_by is keras.callbacks.Callback:
        return False
    is_idle = _IDLE.get(defined_by)
    return is_idle is None or not is_idle(callback, kind)


def _saves_at_epochs(callback, kind):
    return callback.save_freq == "epoch"


def _logs_at_epochs(callback, kind):
    quiet = kind == "test" or not inside.may_profile(callback)
    return callback.update_freq == "epoch" and quiet


# Keras's callbacks that define hooks for batches, and whether these do nothing but show progress.
_IDLE = {
    keras.callbacks.BackupAndRestore: _saves_at_epochs,
    keras.callbacks.ModelCheckpoint: _saves_at_epochs,
    keras.callbacks.OrbaxCheckpoint: _saves_at_epochs,
    keras.callbacks.ProgbarLogger: lambda callback, kind: True,
    keras.callbacks.TensorBoard: _logs_at_epochs,
}
