"""The command `keras-cvae`: train a model and use it, without writing Python.

A run is a folder: `train` leaves in it the model, the settings, the history, the metrics and the
pictures, and the other commands take it up. The backend is the one that `KERAS_BACKEND` names. The
modules here import Keras and the package inside of functions, so that `--help` does without.
"""

from keras_cvae.cli import train, use
from keras_cvae.cli.app import main

__all__ = ["main", "train", "use"]
