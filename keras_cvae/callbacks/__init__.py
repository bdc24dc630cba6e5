"""Callbacks that draw pictures of a model during training, save and resume it, show progress."""

from keras_cvae.callbacks.checkpoint import Checkpoint
from keras_cvae.callbacks.epoch_line import EpochLine
from keras_cvae.callbacks.pictures import EpochGIF, EpochImages, EpochTensorBoard
from keras_cvae.callbacks.saving import SaveEachEpoch, save

__all__ = [
    "Checkpoint",
    "EpochGIF",
    "EpochImages",
    "EpochLine",
    "EpochTensorBoard",
    "SaveEachEpoch",
    "save",
]
