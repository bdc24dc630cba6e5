"""Data: named sets, readers of files, and what a model's `fit` accepts."""

from keras_cvae.data import datasets, inputs, readers

__all__ = ["datasets", "inputs", "readers"]
