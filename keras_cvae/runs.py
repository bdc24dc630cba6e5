"""What a run's folder holds: the model, its settings, its numbers and the pictures of it."""

from __future__ import annotations

import csv
import json
import platform
import sys
from pathlib import Path

import keras
import numpy as np

from keras_cvae import latents, plots
from keras_cvae.data import datasets, inputs

MODEL, CONFIG, HISTORY, METRICS = "model.keras", "config.json", "history.csv", "metrics.json"
PICTURES = ("loss_curves.png", "reconstructions.png", "samples.png")
DIAGRAMS = ("encoder.png", "decoder.png", "cvae.png")
BATCH_SIZE = 256


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
        self._dataset = dataset

    @classmethod
    def load(cls, folder: Path) -> Run:
        """Loads a run.

        Raises:
            ValueError: If the folder is no run, or its model is damaged.
        """
        if not (is_run(folder) and (folder / MODEL).is_file()):
            expected = f"a folder that `keras-cvae train` wrote, with {CONFIG} and {MODEL}"
            raise ValueError(f"'{folder}' is no run: expected {expected}")
        try:
            model = keras.saving.load_model(folder / MODEL)
            return cls(folder, json.loads((folder / CONFIG).read_text()), model)
        except Exception as error:  # zip, HDF5 and Keras each raise errors of their own
            received = f"{type(error).__name__}: {error}"
            raise ValueError(f"'{folder / MODEL}' is damaged. Received: {received}") from error

    def test_images(self, data: str | None = None, count: int | None = None):
        """Returns `count` test images of its data or others, their labels and the class names."""
        dataset = self._dataset
        if data is not None or dataset is None:
            trained_on = self.config["data"]
            dataset = load_data(data or trained_on["name"], trained_on["image_size"])
        return dataset.x_test[:count], dataset.y_test[:count], dataset.class_names

    def measure(self, data: str | None = None) -> dict:
        """Returns the ELBO and its terms on the test images, in nats per image."""
        x, y, _ = self.test_images(data)
        x = model_inputs(self.model, x, y)
        terms = self.model.evaluate(x, batch_size=BATCH_SIZE, verbose=0, return_dict=True)
        terms = {name: terms[name] for name in ("reconstruction", "kl")}
        unit = "nats per image, from one draw of z for each test image"
        return {"elbo": -sum(terms.values()), **terms, "images": len(y), "unit": unit}

    def draw(self) -> None:
        """Writes the pictures that every run has."""
        seed = self.config["training"]["seed"]
        figures = loss(self), reconstructions(self), samples(self, seed=seed)
        for name, figure in zip(PICTURES, figures, strict=True):
            figure.savefig(self.folder / name)

    def draw_diagrams(self) -> None:
        """Writes diagrams of the networks.

        Raises:
            ImportError: If there is no Graphviz.
        """
        # Graphviz 2.43 fails to route some graphs at right angles, Keras's default.
        style = dict(show_shapes=True, show_layer_names=True, dpi=100, splines="polyline")
        parts = self.model.encoder, self.model.decoder, self.model
        for name, part in zip(DIAGRAMS, parts, strict=True):
            keras.utils.plot_model(part, self.folder / name, **style)


# Files


def is_run(folder: Path) -> bool:
    """Whether a folder holds the settings of a run."""
    try:
        return "keras_cvae" in json.loads((folder / CONFIG).read_text())["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def check_folder(folder: Path, force: bool) -> None:
    """Refuses to put a run where something else is, or another run unless forced."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not is_run(folder):
        raise ValueError(f"'{folder}' exists and is no run: choose another `--out`")
    if not force:
        raise ValueError(f"'{folder}' exists: choose another `--out`, or replace it with `--force`")


def clear(folder: Path) -> None:
    """Makes a run's folder, with nothing left of a run that was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (MODEL, CONFIG, HISTORY, METRICS, *PICTURES, *DIAGRAMS):
        (folder / file).unlink(missing_ok=True)


def write_json(path: Path, content: dict) -> None:
    """Writes what a person may want to read."""
    path.write_text(json.dumps(content, indent=2) + "\n")


def versions() -> dict[str, str]:
    """Returns the versions of what a run depends on."""
    names = "keras_cvae", "keras", "numpy", keras.backend.backend()
    versions = {name: sys.modules[name].__version__ for name in names}
    return {"python": platform.python_version(), **versions}


def load_data(name: str, size) -> datasets.Dataset:
    """Loads data with images of a size `[side]` or `[height, width]`, or their own if None."""
    return datasets.load(name, image_size=size[0] if size and len(size) == 1 else size)


# Arrays


def model_inputs(model, images, labels):
    """Returns what an end-to-end model or an encoder takes: `[images, labels]`, or images alone."""
    return [images, labels] if len(model.inputs) == 2 else images


def drawable(images: np.ndarray) -> np.ndarray:
    """Returns images as `plots` takes them: clipped to [0, 1], a vector as one row of pixels."""
    images = images if images.dtype == np.uint8 else np.clip(images, 0.0, 1.0)
    return images[:, None] if images.ndim == 2 else images


def _encode(run, images, labels):
    """Returns the posterior means of images, of shape `(count, latent_dim)`."""
    model = run.model
    inputs.check(model_inputs(model, images, labels), model)
    x = model_inputs(model.encoder, images, labels)
    return model.encoder.predict(x, batch_size=BATCH_SIZE, verbose=0)[0]


def _decode(run, z, label):
    """Returns the images of latent vectors `(..., latent_dim)`, with the same leading axes."""
    images = drawable(run.model.decode(z.reshape(-1, z.shape[-1]), label, batch_size=BATCH_SIZE))
    return images.reshape(*z.shape[:-1], *images.shape[1:])


def _label_and_title(run, label, title):
    """Returns the label to decode with, by default the first class, and a title that says it."""
    label = 0 if label is None and run.model.num_classes else label
    if label is None:
        return None, title
    name = "no label" if label < 0 else f"label {run.class_names[label]}"
    return label, f"{title}, {name}".replace("$", r"\$")


# Pictures: each function draws one of a run, with the options that concern it


def loss(run: Run):
    """Draws the loss of every epoch and its terms."""
    with open(run.folder / HISTORY, newline="") as file:
        epochs = list(csv.DictReader(file))
    terms = epochs[0] if epochs else ()
    return plots.loss_curves({term: [float(epoch[term]) for epoch in epochs] for term in terms})


def reconstructions(run: Run, *, data=None, count=16):
    """Draws `count` test images and their reconstructions."""
    x, y, class_names = run.test_images(data, count)
    decoded = run.model.reconstruct(x, y if run.model.num_classes else None)
    style = dict(labels=y, class_names=class_names, max_images=count)
    return plots.reconstructions(drawable(x), drawable(decoded), **style)


def samples(run: Run, *, label=None, count=10, seed=0):
    """Draws `count` new images a class; of one label, or without, a sheet of rows of `count`."""
    if label is None and run.model.num_classes:
        labels = np.repeat(np.arange(run.model.num_classes), count)
        images = drawable(run.model.generate(labels, seed=seed))
        style = dict(class_names=run.class_names, columns=count, title="Samples")
        return plots.class_rows(images, labels, **style)
    label, title = _label_and_title(run, label, "Samples")
    images = drawable(run.model.generate(label, count=count**2, seed=seed))
    return plots.sheet(images, columns=count, title=title)


def manifold(run: Run, *, label=None, axes=(0, 1), count=20):
    """Draws `count` by `count` images over two dimensions of z."""
    label, title = _label_and_title(run, label, "Latent manifold")
    z, coordinates = latents.grid(count, run.model.latent_dim, axes)
    names = tuple(f"z[{axis}]" for axis in axes)
    images = _decode(run, z.reshape(count, count, -1), label)
    return plots.manifold(images, x=coordinates, y=coordinates, axis_names=names, title=title)


def interpolation(run: Run, *, label=None, count=8, spherical=False, data=None):
    """Draws `count` paths, each between two test images, of one class if the model knows them."""
    title = "Spherical interpolation" if spherical else "Latent interpolation"
    label, title = _label_and_title(run, label, title)
    x, y, class_names = run.test_images(data)
    one_class = label is not None and label >= 0
    chosen = np.flatnonzero(y == label) if one_class else np.arange(len(y))
    chosen = chosen[: min(2 * count, len(chosen) // 2 * 2)]
    if not len(chosen):
        raise ValueError(f"{title}: there must be two test images to go between")
    x, y = x[chosen], y[chosen]
    z = _encode(run, x, y if label is None else np.full_like(y, label))
    paths = latents.interpolate(z[::2], z[1::2], steps=11, spherical=spherical)
    ends = y.reshape(-1, 2)
    names = None if one_class else [f"{class_names[a]} to {class_names[b]}" for a, b in ends]
    return plots.interpolation(_decode(run, paths, label), row_labels=names, title=title)


def traversals(run: Run, *, label=None, axes=None, count=13):
    """Draws each of some dimensions of z, by default up to ten, at `count` values in [-3, 3]."""
    label, title = _label_and_title(run, label, "Latent traversals")
    axes = range(min(run.model.latent_dim, 10)) if axes is None else axes
    values = np.linspace(-3, 3, count)
    z = latents.traverse(np.zeros(run.model.latent_dim), values, axes)
    return plots.traversals(_decode(run, z, label), values, dims=axes, title=title)


def swaps(run: Run, *, data=None, count=10):
    """Draws `count` test images, and each of them decoded with every label."""
    classes = run.model.num_classes
    if not classes:
        raise ValueError("A model without a condition has no labels to swap.")
    x, y, _ = run.test_images(data, count)
    every = np.tile(np.arange(classes), len(x))
    images = run.model.reconstruct(np.repeat(x, classes, 0), np.repeat(y, classes), every)
    x, images = drawable(x), drawable(images)
    images = images.reshape(len(x), classes, *images.shape[1:])
    return plots.label_swaps(x, images, range(classes), class_names=run.class_names)


def scatter(run: Run, *, data=None, count=None):
    """Draws the latent vectors of `count` test images, by default of all."""
    x, y, class_names = run.test_images(data, count)
    return plots.latent_scatter(_encode(run, x, y), y, class_names=class_names)


_ALL = reconstructions, samples, manifold, interpolation, traversals, swaps, scatter, loss
KINDS = {picture.__name__: picture for picture in _ALL}
