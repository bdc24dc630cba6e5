"""Runs: a folder with a trained model, its settings, metrics and pictures."""

from keras_cvae.runs import board, comparing, pictures, report
from keras_cvae.runs.images import ImageRun, train
from keras_cvae.runs.measuring import evaluate
from keras_cvae.runs.reading import Run
from keras_cvae.runs.resuming import resume
from keras_cvae.runs.tables import TableRun, train_table

__all__ = [
    "ImageRun",
    "Run",
    "TableRun",
    "board",
    "comparing",
    "evaluate",
    "pictures",
    "report",
    "resume",
    "train",
    "train_table",
]
