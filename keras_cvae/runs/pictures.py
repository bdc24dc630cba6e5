"""The pictures of a run of images: each function draws one."""

from __future__ import annotations

import inspect
import itertools
import shutil
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_cvae import evaluation, latents, plots
from keras_cvae.checks import require
from keras_cvae.evaluation import neighbours
from keras_cvae.runs.reading import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DIAGRAMS = ("encoder.png", "decoder.png", "cvae.png")


def loss(run: Run) -> Figure:
    """Draws the loss and its terms after every epoch."""
    units = dict.fromkeys(run.history, f"nats per {run.example}")
    own = [layer.units.items() for layer in run.model.loss_layers]
    return plots.loss_curves(run.history, units=units | dict(itertools.chain(*own)))


def reconstructions(run: Run, *, data=None, count=16) -> Figure:
    """Draws `count` test images and their reconstructions."""
    x, y, class_names = run.test_images(data, count)
    decoded = run.model.reconstruct(x, run.model.y_of_class(y))
    style = dict(y=y, class_names=class_names, max_images=count)
    return plots.reconstructions(drawable(run, x), drawable(run, decoded), **style)


def samples(run: Run, *, label=None, count=10, seed=0) -> Figure:
    """Draws `count` generated images of each class; or, of one label, `count` by `count` images."""
    if label is None and run.model.classes:
        labels = np.repeat(np.arange(len(run.model.classes)), count)
        images = drawable(run, run.model.generate(labels, seed=seed))
        style = dict(class_names=run.class_names, columns=count, title="Samples")
        return plots.class_rows(images, labels, **style)
    label, title = _label_and_title(run, label, "Samples")
    images = drawable(run, run.model.generate(label, count=count**2, seed=seed))
    return plots.sheet(images, columns=count, title=title)


def manifold(run: Run, *, label=None, axes=(0, 1), count=20) -> Figure:
    """Draws `count` by `count` images over a grid of two dimensions of the prior's noise.

    For the prior N(0, I) the noise is z. A fitted prior transports the noise to latents of the
    label.
    """
    label, title = _label_and_title(run, label, "Latent manifold")
    noise, coordinates = latents.grid(count, run.model.latent_dim, axes)
    names = f"z[{axes[0]}]", f"z[{axes[1]}]"
    images = images_of_noise(run, noise.reshape(count, count, -1), label)
    return plots.manifold(images, x=coordinates, y=coordinates, axis_names=names, title=title)


def interpolation(run: Run, *, label=None, count=8, spherical=False, data=None) -> Figure:
    """Draws `count` paths, each between two test images, of one class if the model has classes."""
    title = "Spherical interpolation" if spherical else "Latent interpolation"
    label, title = _label_and_title(run, label, title)
    x, y, class_names = run.test_images(data)
    one_class = label is not None and label >= 0
    chosen = np.flatnonzero(y == label) if one_class else np.arange(len(x))
    chosen = chosen[: min(2 * count, len(chosen) // 2 * 2)]
    expected = f"{title}: there must be two test images to interpolate between"
    require(len(chosen), None, expected, f"{np.sum(y == label) if one_class else len(x)}")
    x, y = x[chosen], None if y is None else y[chosen]
    z = _encode(run, x, y if label is None else np.full(len(x), label))
    paths = latents.interpolate(z[::2], z[1::2], steps=11, spherical=spherical)
    names = None
    if y is not None and not one_class:
        names = [f"{class_names[a]} to {class_names[b]}" for a, b in y.reshape(-1, 2)]
    return plots.interpolation(_decode(run, paths, label), row_labels=names, title=title)


def traversals(run: Run, *, label=None, axes=None, count=13) -> Figure:
    """Draws the effect of dimensions of the prior's noise, by default at most ten, on [-3, 3].

    For the prior N(0, I) the noise is z.
    """
    label, title = _label_and_title(run, label, "Latent traversals")
    axes = range(min(run.model.latent_dim, 10)) if axes is None else axes
    values = np.linspace(-3, 3, count)
    noise = latents.traverse(np.zeros(run.model.latent_dim), values, axes)
    images = images_of_noise(run, noise, label)
    return plots.traversals(images, values, dims=axes, title=title)


def swaps(run: Run, *, data=None, count=10) -> Figure:
    """Draws `count` test images, and each of them decoded with every label."""
    classes = len(run.model.classes)
    require(classes, None, "The model must have labels to swap", "a model without classes")
    x, y, _ = run.test_images(data, count)
    every = np.tile(np.arange(classes), len(x))
    images = run.model.reconstruct(np.repeat(x, classes, 0), np.repeat(y, classes), every)
    x, images = drawable(run, x), drawable(run, images)
    images = images.reshape(len(x), classes, *images.shape[1:])
    return plots.label_swaps(x, images, range(classes), class_names=run.class_names)


def scatter(run: Run, *, data=None, count=None) -> Figure:
    """Draws the latent vectors of `count` test images, by default of all."""
    x, y, class_names = run.test_images(data, count)
    return plots.latent_scatter(_encode(run, x, y), y, class_names=class_names or None)


def latent_use(run: Run, *, data=None, count=None) -> Figure:
    """Draws the variance of the posterior mean of each latent dimension over test images."""
    x, y, _ = run.test_images(data, count)
    variance = evaluation.variance_of_means(run.model, x, run.model.y_of_class(y))
    return plots.latent_use(variance, ylabel="variance of the posterior mean")


def nearest(run: Run, *, count=10, seed=0) -> Figure:
    """Draws `count` generated images, and the training image nearest to each in its pixels."""
    classes = len(run.model.classes)
    labels = np.arange(count) % classes if classes else None
    images = drawable(run, run.model.generate(labels, count=count, seed=seed))
    train = run.dataset.x_train

    def prepare(x):
        return drawable(run, x / np.float32(255) if x.dtype == np.uint8 else x)

    places = neighbours.nearest(images, train, prepare=prepare)[:, 0]
    return plots.neighbours(images, prepare(train[places]))


_ALL = (
    *(reconstructions, samples, manifold, interpolation, traversals, swaps, scatter, latent_use),
    *(nearest, loss),
)
KINDS = {picture.__name__: picture for picture in _ALL}
# The pictures in the folder of every run.
PICTURES = {"loss_curves.png": loss, "reconstructions.png": reconstructions, "samples.png": samples}


def write(run: Run) -> None:
    """Writes the pictures in the folder of every run."""
    for name, picture in run.pictures.items():
        takes_seed = "seed" in inspect.signature(picture).parameters
        seed = {"seed": run.config["training"]["seed"]} if takes_seed else {}
        picture(run, **seed).savefig(run.folder / name)


def write_diagrams(run: Run) -> None:
    """Writes diagrams of the networks.

    Raises:
        ImportError: If Graphviz is not installed.
    """
    if not shutil.which("dot"):  # in a notebook Keras prints a line instead of raising
        raise ImportError("diagrams of networks need Graphviz")
    # Graphviz 2.43 fails to route some graphs at right angles, Keras's default.
    style = dict(show_shapes=True, show_layer_names=True, dpi=100, splines="polyline")
    parts = run.model.encoder, run.model.decoder, run.model
    for name, part in zip(DIAGRAMS, parts, strict=True):
        style["expand_nested"] = part is not run.model
        keras.utils.plot_model(part, run.folder / name, **style)


def drawable(run: Run, images: np.ndarray) -> np.ndarray:
    """Converts images for `plots`: to [0, 1], and vectors to one row of pixels each.

    Args:
        run: A run of images.
        images: Array of shape `(count, *image_shape)`.
    """
    if images.dtype != np.uint8:
        low, high = _span(run.dataset.x_train)
        width = np.where(high > low, np.subtract(high, low), 1.0)
        images = np.clip((images - low) / width, 0.0, 1.0).astype("float32")
    return images[:, None] if images.ndim == 2 else images


def _span(x):
    """Returns the values of black and white: 0 and 1, or the extremes of other data."""
    if x.ndim > 2 or (x.min() >= 0 and x.max() <= 1):
        return 0.0, 1.0
    return x.min(0), x.max(0)


def images_of_noise(run: Run, noise: np.ndarray, label: int | None) -> np.ndarray:
    """Generates images from noise, which the prior of a label transports to z.

    Args:
        run: A run of images.
        noise: Array of shape `(..., latent_dim)`.
        label: The label; -1 for unknown, None for a model without a condition.

    Returns:
        Array of images, with the same leading axes.
    """
    images = run.model.generate(label, noise=noise.reshape(-1, noise.shape[-1]))
    images = drawable(run, images)
    return images.reshape(*noise.shape[:-1], *images.shape[1:])


def _encode(run, images, labels):
    """Returns the posterior means of images, of shape `(count, latent_dim)`."""
    return run.model.encode(images, run.model.y_of_class(labels))[0]


def _decode(run, z, label):
    """Returns the images of latent vectors `(..., latent_dim)`, with the same leading axes."""
    images = drawable(run, run.model.decode(z.reshape(-1, z.shape[-1]), label))
    return images.reshape(*z.shape[:-1], *images.shape[1:])


def _label_and_title(run, label, title):
    """Returns the label to decode with, by default the first class, and a title with its name."""
    label = 0 if label is None and run.model.classes else label
    if label is None:
        return None, title
    name = "no label" if label < 0 else f"label {run.class_names[label]}"
    return label, f"{title}, {name}".replace("$", r"\$")
