"""A run, as read from its folder: the model, settings, history, metrics and data."""

from __future__ import annotations

import csv
import functools
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras

from keras_cvae import datasets, evaluation, html
from keras_cvae.checks import explain, require
from keras_cvae.cvae import CVAE
from keras_cvae.runs import lock, metrics

MODEL, CONFIG, HISTORY = "model.keras", "config.json", "history.csv"
CHECKPOINT = "training.checkpoint"  # in the folder until the run is finished
PRIOR_FIT = "prior.json"  # likewise, once the model is saved with its fitted prior
SEED = 0  # seed of the samples of z with which a run is measured


class Run:
    """A trained model and the folder with its files.

    Args:
        folder: The folder.
        config: The settings, the content of `CONFIG`.
        model: The `CVAE`.
        dataset: The data that it was trained on; if None, they are loaded when needed.

    Attributes:
        class_names: Names of the classes: the model's own, or those of the data.
        choices: Dict from settings to `Choice`s, the values chosen from the data with reasons. It
            is empty for a loaded run, as are the next five attributes.
        prior_fit: The return value of `CVAE.fit_prior`.
        notes: Sentences about data that were left out or changed.
        validation: Images and labels of the data for validation, or None.
        best_epoch: The epoch, from 1, whose weights early stopping kept.
        verdict: Sentences on the quality of the model, set when the report is written.

    A subclass is a run of one kind of data, and sets:

    Attributes:
        example: The word for one example, such as "image".
        pictures: Dict from file names to functions, of the pictures in the folder of every run.
        kinds: Dict from names to functions that draw pictures of a run.
        files: Names of more files in its folder.
        suffixes: Suffixes of files to which generated examples can be written.
        settings: Names of settings of the data that its config must have, besides name and digest.
    """

    example: str
    pictures: dict[str, Callable]
    kinds: dict[str, Callable]
    files: tuple[str, ...] = ()
    suffixes: tuple[str, ...]
    settings: tuple[str, ...]
    choices: dict = {}
    notes: tuple[str, ...] = ()
    validation: tuple | None = None
    prior_fit: dict | None = None
    best_epoch: int | None = None
    verdict: Sequence[str] = ()

    def __init__(self, folder: Path, config: dict, model: CVAE, dataset=None):
        self.folder = folder
        self.config = config
        named = getattr(model.condition, "has_names", False)
        self.class_names = list(model.classes if named else config["class_names"])
        self.model = model
        if dataset is not None:
            self.dataset = dataset

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Loads a run; warns if it is unfinished.

        Args:
            folder: The folder.

        Raises:
            ValueError: If the folder is not a run, or one of its files is damaged.
        """
        folder = Path(folder)
        expected = f"A run must be a folder with the {CONFIG} and {MODEL} that `train` leaves"
        exists = all((folder / name).is_file() for name in (CONFIG, MODEL))
        require(exists, None, expected, f"'{folder}', which is not a run")
        config = config_of(folder)
        model = model_of(folder)
        kind = kind_of(config["data"]["name"])
        run = kind(folder, config, model)
        named, count = len(run.class_names), len(model.classes)
        expected = f"'{folder / CONFIG}' must name the model's classes"
        require(not count or named == count, None, expected, f"{named} for {count}")
        if run.unfinished:
            warnings.warn(f"'{folder}' {run.unfinished}", stacklevel=2)
        return run

    @classmethod
    def takes(cls, data: str | os.PathLike) -> bool:
        """Returns whether data are of this kind, by their name or path."""
        raise NotImplementedError

    def _repr_html_(self):
        numbers = {} if self.unfinished else self.metrics
        rows = [
            [name, f"{numbers[name]:.2f}"]
            for name in ("elbo", *self.model.elbo_terms)
            if name in numbers
        ]
        caption = f"Nats per {self.example}, of the test {self.example}s."
        shown = [
            html.paragraphs([str(self.folder), *self.summary().splitlines()]),
            html.Table(("measure", "value"), rows, caption if rows else "").__html__(),
        ]
        *_, last = self.pictures
        if (path := self.folder / last).exists():
            shown.append(html.Picture(path, path.stem).__html__())
        return "\n".join(shown)

    def summary(self) -> str:
        """Returns the size and kind of its data, in words."""
        raise NotImplementedError

    def _counts(self):
        data, example = self.dataset, self.example
        return f"{len(data.x_train)} training and {len(data.x_test)} test {example}s"

    def measures(self, dataset: datasets.Dataset, seed: int = 0) -> Iterator[evaluation.Measure]:
        """Yields measures for this kind of data, in addition to those of `evaluation.measure`."""
        yield from ()

    def sections(self) -> Iterator:
        """Yields the `report.Section`s for its kind of data."""
        raise NotImplementedError

    def remarks(self) -> Iterator[str]:
        """Yields sentences on whether generated examples are like real ones."""
        yield from ()

    def keep(self, y_train) -> None:
        """Writes the training data that it needs later into its folder; images need none."""

    @property
    def unfinished(self) -> str | None:
        """The state of an unfinished training in words; None if training is finished."""
        if (self.folder / metrics.NAME).exists():
            return None
        state = "is still training" if lock.is_held(self.folder) else "was stopped"
        try:
            epochs = zip(*self.history.values(), strict=True)
        except FileNotFoundError:
            epochs = ()
        except ValueError:
            return f"{state}; its {HISTORY} is damaged"
        count = sum(all(map(math.isfinite, terms)) for terms in epochs)
        if count:
            return f"{state}; its weights are those after epoch {count}"
        return f"{state}; no epoch has ended, so its weights are untrained"

    @functools.cached_property
    def dataset(self) -> datasets.Dataset:
        """The data that it was trained on; warns if they have changed since."""
        name, digest = self.config["data"]["name"], self.config["data"]["digest"]
        dataset = self.read().dataset
        if datasets.digest(dataset) != digest:
            changed = f"The data '{name}' are no longer those that '{self.folder}' was trained on"
            warnings.warn(changed, stacklevel=2)
        return dataset

    @property
    def metrics(self) -> dict:
        """The metrics measured after training, as from `measure`.

        Raises:
            ValueError: If the file is damaged.
        """
        return metrics.read(self.folder, self.example)

    @property
    def history(self) -> dict[str, list[float]]:
        """The loss and its terms after each epoch.

        Raises:
            ValueError: If the file is damaged.
        """
        path = self.folder / HISTORY
        damage = explain(None, f"'{path}' is damaged", (ValueError, csv.Error))
        with open(path, newline="", encoding="utf-8") as file, damage:
            terms, *epochs = list(csv.reader(file)) or [[]]
            columns = zip(terms, *epochs, strict=True)  # fails if a line is incomplete
            values = {term: list(map(float, column)) for term, *column in columns}
        values.pop("epoch", None)
        return values

    def dataset_of(self, data: str | None = None) -> datasets.Dataset:
        """Returns the data of the run, or those of another name or path."""
        return self.dataset if data is None else self._load(data)

    def test_images(self, data: str | None = None, count: int | None = None) -> tuple:
        """Returns test examples with their y and the class names.

        Args:
            data: Name or path of other data than it was trained on.
            count: The number of examples; by default all.

        Returns:
            `(x, y, class_names)`; y is None if the data have no labels.
        """
        raise NotImplementedError

    def measure(self, data: str | None = None, verbose: int = 0) -> dict:
        """Measures the ELBO and its terms on the test images, in nats per image.

        Args:
            data: Name or path of other data than it was trained on.
            verbose: 1 shows a progress bar.

        Returns:
            Dict of `elbo` and its terms; `prior`, the class of the prior; and the settings of the
            measurement. Every call returns the same values.
        """
        model = self.model
        x, y, _ = self.test_images(data)
        y = None if model.condition is None else y
        draws = evaluation.number_of_draws(len(x))
        options = {"draws": draws, "seed": SEED, "verbose": int(verbose == 1)}
        estimates = evaluation.bound(model, x, y, **options)
        values: dict[str, Any] = {n: estimates[n].value for n in ("elbo", *model.elbo_terms)}
        values["standard_error"] = estimates["elbo"].standard_error
        values["prior"] = type(model.prior).__name__
        unit = f"nats per {self.example}, the mean over samples of z for each test {self.example}"
        return {**values, f"{self.example}s": len(x), "draws": draws, "seed": SEED, "unit": unit}

    def read(self) -> datasets.Reading:
        """Reads the data that it was trained on."""
        return datasets.Reading(self._load(self.config["data"]["name"]))

    def _load(self, name):
        raise NotImplementedError


def is_finished(folder: Path) -> bool:
    """Returns whether a run is trained and measured, and has its pictures."""
    return (folder / metrics.NAME).exists() and not (folder / CHECKPOINT).exists()


def kind_of(data: str | os.PathLike) -> type[Run]:
    """Returns the subclass of `Run` that takes data of this name or path."""
    return next(kind for kind in Run.__subclasses__() if kind.takes(data))


def is_run(folder: Path) -> bool:
    """Returns whether a folder contains the settings of a run."""
    try:
        config_of(folder)
    except (OSError, ValueError):
        return False
    return True


def config_of(folder: Path) -> dict:
    """Returns the settings of a run, after checking those that are needed to load it."""
    path = folder / CONFIG
    errors = (ValueError, KeyError, TypeError, RecursionError)
    with explain(None, f"'{path}' must contain the settings that `train` writes", errors):
        config = json.loads(path.read_text("utf-8"))
        data, names, _ = config["data"], config["class_names"], config["versions"]["keras_cvae"]
        for key in ("name", "digest"):
            require(isinstance(data[key], str), None, f"The {key} of the data is a text", data[key])
        for key in kind_of(data["name"]).settings:
            data[key]  # raises an error if it is missing
        parts = [config[part] for part in ("model", "training", "versions")]
        parts += [config.get("chosen", {})]
        are_dicts = all(isinstance(part, dict) for part in parts)
        require(are_dicts, None, "Its parts are settings by name", parts)
        seed, shape = config["training"]["seed"], config.get("image_shape", [])
        require(isinstance(seed, int), None, "The seed is an integer", seed)
        require(isinstance(shape, list), None, "The shape is a list of integers", shape)
        texts = isinstance(names, list) and all(isinstance(name, str) for name in names)
        require(texts, None, "The class names are texts", names)
        return config


def model_of(folder: Path) -> CVAE:
    """Loads the model of a run.

    Raises:
        ValueError: If the file is damaged, or contains another model.
    """
    with explain(None, f"'{folder / MODEL}' is damaged"):
        model = keras.saving.load_model(folder / MODEL)
    expected = f"'{folder / MODEL}' must contain a conditional VAE of keras_cvae"
    require(isinstance(model, CVAE), None, expected, f"a {type(model).__name__}")
    return model


def model_inputs(model, images, labels) -> Any:
    """Returns the inputs of an end-to-end model: `[images, labels]`, or only images."""
    return images if model.condition is None else [images, labels]
