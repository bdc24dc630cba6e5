"""What a run's folder holds, and the model, the numbers and the images that come of it."""

from __future__ import annotations

import csv
import functools
import json
from pathlib import Path

import keras

from keras_cvae import inference
from keras_cvae.checks import explain, require
from keras_cvae.data import datasets

MODEL, CONFIG, HISTORY, METRICS = "model.keras", "config.json", "history.csv", "metrics.json"


class Run:
    """A model with the folder that its files are in.

    Args:
        folder: The folder.
        config: The settings, as `CONFIG` holds them.
        model: The `CVAE`.
        dataset: What it was trained on, if that is at hand; else it is loaded where needed.
    """

    def __init__(self, folder: Path, config: dict, model, dataset=None):
        self.folder = folder
        self.config = config
        self.class_names = config["class_names"]
        self.model = model
        if dataset is not None:
            self.dataset = dataset

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Loads a run.

        Raises:
            ValueError: If the folder is no run, or its model is damaged.
        """
        folder = Path(folder)
        expected = f"A run must be a folder with the {CONFIG} and {MODEL} that `train` leaves"
        exists = is_run(folder) and (folder / MODEL).is_file()
        require(exists, expected, f"'{folder}', which is no run")
        with explain(f"'{folder / MODEL}' is damaged"):
            model = keras.saving.load_model(folder / MODEL)
            return cls(folder, json.loads((folder / CONFIG).read_text()), model)

    @functools.cached_property
    def dataset(self) -> datasets.Dataset:
        """What it was trained on."""
        return self._load(self.config["data"]["name"])

    @property
    def metrics(self) -> dict:
        """The numbers that were measured after training, as `measure` returns them."""
        return json.loads((self.folder / METRICS).read_text())

    @property
    def history(self) -> dict[str, list[float]]:
        """The loss and its terms after each epoch."""
        with open(self.folder / HISTORY, newline="") as file:
            epochs = list(csv.DictReader(file))
        terms = [term for term in epochs[0] if term != "epoch"] if epochs else []
        return {term: [float(epoch[term]) for epoch in epochs] for term in terms}

    def test_images(self, data: str | None = None, count: int | None = None):
        """Returns `count` test images of its data or others, their labels and the class names."""
        dataset = self.dataset if data is None else self._load(data)
        return dataset.x_test[:count], dataset.y_test[:count], dataset.class_names

    def measure(self, data: str | None = None) -> dict:
        """Returns the ELBO and its terms on the test images, in nats per image."""
        x, y, _ = self.test_images(data)
        x = model_inputs(self.model, x, y)
        batch_size = inference.BATCH_SIZE
        terms = self.model.evaluate(x, batch_size=batch_size, verbose=0, return_dict=True)
        terms = {name: terms[name] for name in self.model.elbo_terms}
        unit = "nats per image, from one draw of z for each test image"
        return {"elbo": -sum(terms.values()), **terms, "images": len(y), "unit": unit}

    def _load(self, name):
        return datasets.load(name, image_size=self.config["data"]["image_size"])


def is_run(folder: Path) -> bool:
    """Whether a folder holds the settings of a run."""
    try:
        return "keras_cvae" in json.loads((folder / CONFIG).read_text())["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def model_inputs(model, images, labels):
    """Returns what an end-to-end model takes: `[images, labels]`, or images alone."""
    return [images, labels] if len(model.inputs) == 2 else images
