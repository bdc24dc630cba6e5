"""Callbacks that draw pictures of a model as it trains, save it, and let training be resumed."""

from keras_cvae.callbacks.checkpoint import Checkpoint
from keras_cvae.callbacks.pictures import EpochGIF, EpochImages, EpochTensorBoard
from keras_cvae.callbacks.saving import SaveEachEpoch, save

__all__ = ["Checkpoint", "EpochGIF", "EpochImages", "EpochTensorBoard", "SaveEachEpoch", "save"]
