"""Sections of the report of a run of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_cvae import evaluation, latents, plots
from keras_cvae.evaluation import neighbours
from keras_cvae.html import Picture
from keras_cvae.runs import pictures
from keras_cvae.runs.reading import Run
from keras_cvae.runs.report import MOST, Section

MOST_CLASSES = 20
DIMENSIONS = 10  # dimensions whose effect is drawn
MOST_READ = 500  # generated images, and as many test images, whose nearest neighbours are searched
MOST_COMPARED = 10_000  # training images among which neighbours are searched
SHORT = 0.1  # largest acceptable difference of the shares of test and of generated images
ALIKE, APART = 0.7, 1.2  # acceptable range of the spread of samples, relative to test images


def sections(run: Run) -> Iterator[Section]:
    """Yields the sections of a run of images.

    Args:
        run: An `ImageRun`.
    """
    classes = min(len(run.model.classes), MOST_CLASSES)
    yield _samples(run, classes)
    shown = pictures.reconstructions(run, count=10)
    parts = [Picture(shown, "Test images, and their reconstructions from the posterior mean.")]
    if 1 < classes < MOST_CLASSES:
        caption = "Each row: a test image, then the same latent noise decoded as every class."
        parts.append(Picture(pictures.swaps(run, count=8), caption))
    yield Section("Reconstructions", parts=parts)
    yield _latents(run)


def remarks(run: Run) -> Iterator[str]:
    """Yields sentences on whether generated images show their class, and vary as real ones do.

    Args:
        run: An `ImageRun`.
    """
    rng = np.random.default_rng(run.config["training"]["seed"])
    train, labels = _some(run, run.dataset.x_train, run.dataset.y_train, MOST_COMPARED, rng)
    test, of_test = _some(run, run.dataset.x_test, run.dataset.y_test, MOST_READ, rng)
    if min(len(train), len(test)) < 2:
        return
    seed = run.config["training"]["seed"]
    count, y = len(test), of_test if run.model.classes else None
    images = pictures.drawable(run, run.model.generate(y, count=count, seed=seed))
    if run.model.classes:
        right, of_real = (
            neighbours.label_agreement(x, of_test, train, labels) for x in (images, test)
        )
        sentence = "Class: the training image nearest to a generated image is of the same class in "
        sentence += f"{right:.0%} of {count} cases; for test images in {of_real:.0%}"
        if right < of_real - SHORT:
            sentence += ". Many samples do not show their class: train longer"
            sentence += "" if run.config["training"].get("fit_prior") else ", or fit the prior"
        yield f"{sentence}."
    groups = of_test if run.model.classes else np.zeros(count, int)
    spread = neighbours.spread(images, groups) / neighbours.spread(test, groups)
    if np.isfinite(spread):
        of_class = " of a class" if run.model.classes else ""
        sentence = f"Spread: generated images{of_class} differ from each other {spread:.2f} times "
        sentence += "as much as test images"
        if spread < ALIKE:
            sentence += ". They are too similar: try a smaller beta or more latents"
        elif spread > APART:
            sentence += ". They differ too much: generate at a lower temperature"
            sentence += "" if run.config["training"].get("fit_prior") else ", or fit the prior"
        yield f"{sentence}."


def _some(run, x, y, count, rng):
    """Returns at most `count` random images and their labels; if y is a class, labelled ones."""
    rows = np.arange(len(x))
    if run.model.classes:
        rows = np.flatnonzero(np.asarray(y) >= 0)
    rows = rng.permutation(rows)[:count]
    images = x[rows]
    images = images / np.float32(255) if images.dtype == np.uint8 else images
    return pictures.drawable(run, images), None if y is None else np.asarray(y)[rows]


def _samples(run, classes):
    seed = run.config["training"]["seed"]
    real, labels = run.dataset.x_train, run.dataset.y_train
    if classes:
        rows = [np.flatnonzero(labels == label)[:6] for label in range(classes)]
        rows = np.concatenate(rows)
        generated = np.repeat(np.arange(classes), 6)
        images = run.model.generate(generated, seed=seed)
        style = {"class_names": run.class_names, "columns": 6}
        figures = [
            plots.class_rows(pictures.drawable(run, real[rows]), labels[rows], **style, title=""),
            plots.class_rows(pictures.drawable(run, images), generated, **style, title=""),
        ]
    else:
        images = run.model.generate(count=36, seed=seed)
        figures = [plots.sheet(pictures.drawable(run, x)) for x in (real[:36], images)]
    captions = "Training images.", f"Generated images of the same classes, seed {seed}."
    if not classes:
        captions = "Training images.", f"Generated images, seed {seed}."
    parts = [Picture(*pair) for pair in zip(figures, captions, strict=True)]
    caption = "Generated images, and for each the training image whose pixels are nearest to it: "
    caption += "a model that copies its training data has equal pairs."
    parts.append(Picture(pictures.nearest(run, seed=seed), caption))
    return Section("Generated images", parts=parts)


def _latents(run):
    x, y, class_names = run.test_images(count=MOST)
    variance = evaluation.variance_of_means(run.model, x, run.model.y_of_class(y))
    active = int((variance > evaluation.latent_use.ACTIVE).sum())
    caption = f"Variance of the posterior mean over {len(x)} test images; a dimension is in use "
    caption += f"above {evaluation.latent_use.ACTIVE}. {active} of {len(variance)} are in use."
    bars = plots.latent_use(variance, ylabel="variance of the posterior mean")
    parts = [Picture(bars, caption, is_drawing=True)]
    if run.model.latent_dim == 2:
        parts.append(Picture(pictures.manifold(run), "Images over the plane of z."))
    else:
        caption = "Each row: one dimension of the prior's noise from -3 to 3, the others at 0; the "
        caption += "dimensions with the largest effect on the image."
        parts.append(Picture(pictures.traversals(run, axes=_effects(run)), caption))
    if run.model.latent_dim > 1:
        caption = f"Posterior means of {len(x)} test images, coloured by label."
        parts.append(Picture(pictures.scatter(run, count=MOST), caption))
    return Section("Latent space", parts=parts)


def _effects(run):
    """Returns the dimensions of noise with the largest effect on an image of the first class."""
    size = run.model.latent_dim
    noise = latents.traverse(np.zeros(size), np.array([-2.0, 2.0]), range(size))
    images = pictures.images_of_noise(run, noise, 0 if run.model.classes else None)
    changes = np.abs(images[:, 1] - images[:, 0]).reshape(size, -1).mean(1)
    return np.argsort(-changes, kind="stable")[:DIMENSIONS].tolist()
