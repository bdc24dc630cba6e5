"""Data: readers of files, what columns of a table are, and what a model's `fit` accepts."""

from keras_cvae.data import inputs, readers

__all__ = ["inputs", "readers"]
