"""Runs of images or vectors."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from keras_cvae import conditions, datasets
from keras_cvae.checks import require
from keras_cvae.data import splitting
from keras_cvae.runs import image_report, pictures
from keras_cvae.runs.making import absolute, folder_for, make
from keras_cvae.runs.reading import Run
from keras_cvae.tables import is_table

CLASSES = functools.partial(conditions.Classes, dropout=conditions.HIDDEN)
READING = "image_size", "test_fraction", "labelled", "background", "skip_damaged"


def train(
    data: str | os.PathLike = "digits",
    out: str | os.PathLike | None = None,
    *,
    force: bool = False,
    image_size: int | tuple[int, int] | None = None,
    class_names: Sequence[str] | None = None,
    test_fraction: float = 0.2,
    background: str = "white",
    skip_damaged: bool = False,
    condition: Callable[[int], conditions.Condition] | None = CLASSES,
    **options,
) -> ImageRun:
    """Trains a model; writes it, its metrics and its pictures into a folder.

    Args:
        data: Name or path of the data, as for `datasets.load`.
        out: The folder; by default `runs/` and the name of the data.
        force: Whether to replace an existing run.
        image_size: The size to resize every image to, as for `datasets.load`.
        class_names: A name for each class, in place of those of the data.
        test_fraction: Share of the data for testing, if they are not split already.
        background: The colour behind transparent pixels, as for `datasets.load`.
        skip_damaged: Whether to leave out images that cannot be read.
        condition: Function of the number of classes to the condition, such as
            `functools.partial(conditions.Inferred, weight=10.0)`; None for a plain VAE. The default
            is `conditions.Classes` with a dropout of 0.1. Classes without names are named as in the
            data.
        **options: As for `make`: settings of the training, and more arguments of `build_cvae`.

    Returns:
        The run; its `choices` are the settings chosen from the data, with reasons.

    Raises:
        ValueError: If the folder contains other files, another training uses it, or an argument is
            wrong, before the folder is changed; or if the loss does not stay finite.
        KeyboardInterrupt: If training is interrupted; the message says which weights are saved.

    Example:
    ```python
    from keras_cvae import runs

    run = runs.train("mnist", "runs/mnist", network="conv", latent_dim=16, epochs=20)
    print(run.metrics["elbo"])
    runs.pictures.manifold(run, label=3).savefig("threes.png")
    ```
    """
    folder = folder_for(data, out, force)
    source: dict[str, Any] = {"image_size": image_size, "test_fraction": test_fraction}
    source |= {"labelled": condition is not None, "background": background}
    source["skip_damaged"] = skip_damaged
    reading = datasets.read(data, class_names=class_names, **source)
    dataset = reading.dataset
    if dataset.x_train.ndim > 2:
        *_, channels = dataset.x_train.shape
        expected = f"Images of '{data}' must have 1 or 3 channels, to be drawn"
        require(channels in (1, 3), None, expected, channels)
    if condition is not None:
        of_classes: Any = conditions.get(condition(len(dataset.class_names)))
        condition = of_classes.with_names(dataset.class_names)
    # An absolute path, so that the run can be loaded from any folder.
    name = data if data in datasets.NAMES else absolute(data)
    source = {"name": name, **source}
    return make(ImageRun, folder, reading, condition, source, force=force, **options)


class ImageRun(Run):
    """A run of images or vectors, with or without labels."""

    example = "image"
    kinds = pictures.KINDS
    pictures = pictures.PICTURES
    suffixes = (".png", ".npz")
    settings = ("image_size",)

    @classmethod
    def takes(cls, data) -> bool:
        return not is_table(data)

    def summary(self) -> str:
        shape = "x".join(map(str, self.config["image_shape"]))
        classes = _class_sizes(self.dataset.y_train, self.class_names)
        return f"{self._counts()} of {shape}, {classes or 'no labels'}"

    def test_images(self, data: str | None = None, count: int | None = None) -> tuple:
        dataset = self.dataset_of(data)
        labels = splitting.take(dataset.y_test, slice(count))
        return dataset.x_test[:count], labels, dataset.class_names

    def remarks(self) -> Iterator[str]:
        return image_report.remarks(self)

    def sections(self) -> Iterator:
        return image_report.sections(self)

    def read(self) -> datasets.Reading:
        return datasets.read(self.config["data"]["name"], **self._reading)

    def _load(self, name):
        is_own = name == self.config["data"]["name"]  # `train` has printed the notes
        return self.read().dataset if is_own else datasets.load(name, **self._reading)

    @property
    def _reading(self):
        data = self.config["data"]
        return {key: data[key] for key in READING if key in data}


def _class_sizes(labels, names):
    """Returns the number of classes and the sizes of the smallest and the largest, in words."""
    if not names:
        return ""
    known = labels[labels >= 0]
    counts = np.bincount(known, minlength=len(names))
    by_size = np.argsort(counts, kind="stable")
    least, most = (f"{names[label]} with {counts[label]}" for label in by_size[[0, -1]])
    text = f"{len(names)} classes, the smallest {least}, the largest {most} to train with"
    if absent := [names[label] for label in np.flatnonzero(counts == 0)]:
        shown = ", ".join(absent[:5]) + (f" and {len(absent) - 5} more" if len(absent) > 5 else "")
        text += f"; none of {shown}, which the model cannot learn"
    if unknown := len(labels) - len(known):
        text += f"; {unknown} without a label"
    return text
