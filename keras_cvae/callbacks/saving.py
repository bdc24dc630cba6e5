"""Saves a model during training, so that an interrupted run keeps the weights of whole epochs."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

import keras

UNFINISHED = "unfinished-"


def save(model: keras.Model, path: Path) -> None:
    """Saves a model to a temporary file, then replaces the file at `path` at once."""
    # A new folder, so that nothing in it is a link to another file.
    with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=path.parent) as folder:
        unfinished = Path(folder, path.name)
        model.save(unfinished)
        os.replace(unfinished, path)


def clear_unfinished(folder: Path) -> None:
    """Removes from a folder what saves that were killed have left; to be called while none runs."""
    for left in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


class SaveEachEpoch(keras.callbacks.Callback):
    """Saves the model before training, unless the file is there, and after every epoch.

    After an epoch with a loss that is not finite the model is not saved, and training ends.

    An interrupted run keeps the weights of whole epochs, because within an epoch JAX may have
    donated the memory of the weights to a step whose result is lost.

    As a context manager it handles Ctrl-C: training stops at once, but not while the model is being
    saved, and at the latest at the end of the epoch, as Python ignores an exception that is raised
    in the garbage collector.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.epochs = 0
        self._interrupted = self._saving = False

    def __enter__(self):
        self._interrupted = False
        self._hook, sys.unraisablehook = sys.unraisablehook, self._ignore_interrupt
        self._handler = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error):
        signal.signal(signal.SIGINT, self._handler)
        sys.unraisablehook = self._hook

    def on_train_begin(self, logs=None) -> None:
        self.epochs = 0
        if self.path.is_symlink() or not self.path.exists():  # else it is of the resumed training
            self._save()
        self._raise_if_interrupted()

    def on_epoch_end(self, epoch, logs=None) -> None:
        if all(map(math.isfinite, logs.values())):  # val_loss includes the last step
            self._save()
            self.epochs = epoch + 1
        else:
            self.model.stop_training = True
        self._raise_if_interrupted()

    def get_state(self) -> dict:
        """Returns the number of epochs whose weights are saved."""
        return {"epochs": self.epochs}

    def set_state(self, state) -> None:
        """Restores the state of a training."""
        self.epochs = state["epochs"]

    def _interrupt(self, number, frame):
        self._interrupted = True
        if not self._saving:
            raise KeyboardInterrupt

    def _ignore_interrupt(self, exception):
        if not issubclass(exception.exc_type, KeyboardInterrupt):
            self._hook(exception)

    def _raise_if_interrupted(self):
        if self._interrupted:
            raise KeyboardInterrupt

    def _save(self):
        self._saving = True
        try:
            save(self.model, self.path)
        finally:
            self._saving = False
