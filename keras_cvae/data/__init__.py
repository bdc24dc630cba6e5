"""Data: readers of files, and checks of the data that a model accepts."""

from keras_cvae.data import inputs, readers

__all__ = ["inputs", "readers"]
