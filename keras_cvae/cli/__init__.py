"""The command `keras-cvae`: train a model and use it, without writing Python.

A run is a folder: `train` writes the model, its settings, history, metrics and pictures into it,
and the other commands read it. `KERAS_BACKEND` names the backend. The modules here import Keras and
the package inside functions, so that `--help` answers without them.
"""

from keras_cvae.cli import explore, train, use
from keras_cvae.cli.app import main

__all__ = ["explore", "main", "train", "use"]
