"""What happens between epochs: pictures of what a model has learned, and its saving."""

from keras_cvae.callbacks.checkpoint import Checkpoint
from keras_cvae.callbacks.pictures import EpochGIF, EpochImages, EpochTensorBoard
from keras_cvae.callbacks.saving import SaveEachEpoch, save

__all__ = ["Checkpoint", "EpochGIF", "EpochImages", "EpochTensorBoard", "SaveEachEpoch", "save"]
