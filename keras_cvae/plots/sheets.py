"""Images side by side: sheets, rows of classes, reconstructions, images under other labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import checks
from keras_cvae.plots import arrays
from keras_cvae.plots.mosaic import mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike


def reconstructions(
    x: ArrayLike,
    reconstructed: ArrayLike,
    *,
    y: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    max_images: int = 16,
    title: str | None = "Reconstructions",
) -> Figure:
    """Draws images in one row and their reconstructions in the row below.

    Args:
        x: Images, of shape `(N, H, W[, C])`.
        reconstructed: Their reconstructions, of the same shape.
        y: Labels of shape `(N,)`, written above the columns.
        class_names: Name of each class; by default its number.
        max_images: The first `max_images` images are drawn.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    plots.reconstructions(x_test, cvae.reconstruct(x_test, y_test), y=y_test)
    ```
    """
    x = arrays.images("x", x)
    pairs = np.stack([x, arrays.images("reconstructed", reconstructed, shape=x.shape)])
    shown = checks.integer("max_images", max_images, least=1)
    names = None if y is None else arrays.names("y", y, class_names, len(x))[:shown]
    return mosaic(
        pairs[:, :shown],
        row_labels=("input", "reconstruction"),
        column_labels=names,
        xlabel=None if y is None else "label",
        headers=True,
        title=title,
    )


def class_rows(
    x: ArrayLike,
    y: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    columns: int = 10,
    title: str | None = "Images by label",
) -> Figure:
    """Draws one row of images for each class.

    Args:
        x: Images, of shape `(N, H, W[, C])`, in any order.
        y: Labels of shape `(N,)`. The rows are the labels that occur, -1 last.
        class_names: Name of each class; by default its number.
        columns: The first `columns` images of each class are drawn.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    y = np.repeat(np.arange(10), 8)
    plots.class_rows(cvae.generate(y, seed=0), y)
    ```
    """
    x = arrays.images("x", x)
    y = arrays.labels("y", y, class_names, len(x))
    present = sorted(set(y.tolist()), key=lambda label: (label < 0, label))
    most = checks.integer("columns", columns, least=1)
    rows = [x[y == label][:most] for label in present]
    grid = np.ones((len(rows), max(map(len, rows)), *x.shape[1:]), "float32")
    for tiles, row in zip(grid, rows, strict=True):
        tiles[: len(row)] = row
    names = arrays.names("y", present, class_names, len(present))
    return mosaic(grid, row_labels=names, ylabel="label", title=title)


def sheet(x: ArrayLike, *, columns: int | None = None, title: str | None = None) -> Figure:
    """Draws a contact sheet: images side by side, from left to right and top to bottom.

    Args:
        x: Images, of shape `(N, H, W[, C])`.
        columns: Number of images in a row; by default the sheet is about square.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    plots.sheet(x_train[:100], title="Training images")
    ```
    """
    x = arrays.images("x", x)
    if columns is None:
        columns = math.ceil(math.sqrt(len(x)))
    columns = min(checks.integer("columns", columns, least=1), len(x))
    rows = math.ceil(len(x) / columns)
    grid = np.ones((rows * columns, *x.shape[1:]), "float32")
    grid[: len(x)] = x
    return mosaic(grid.reshape(rows, columns, *x.shape[1:]), title=title)


def neighbours(
    generated: ArrayLike,
    nearest: ArrayLike,
    *,
    title: str | None = "Generated images and the nearest training images",
) -> Figure:
    """Draws generated images in one row and the training image nearest to each in the row below.

    Args:
        generated: Images, of shape `(N, H, W[, C])`.
        nearest: Images, of the same shape.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    tree = sklearn.neighbors.NearestNeighbors(n_neighbors=1).fit(x_train.reshape(60000, -1))
    images = cvae.generate(range(10), seed=0)
    places = tree.kneighbors(images.reshape(10, -1), return_distance=False)[:, 0]
    plots.neighbours(images, x_train[places])
    ```
    """
    generated = arrays.images("generated", generated)
    pairs = [generated, arrays.images("nearest", nearest, shape=generated.shape)]
    return mosaic(np.stack(pairs), row_labels=("generated", "nearest"), title=title)


def label_swaps(
    x: ArrayLike,
    swapped: ArrayLike,
    as_y: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = "The same images under other labels",
) -> Figure:
    """Draws images on the left and, beside them, how each looks under other labels.

    Args:
        x: Images, of shape `(N, H, W[, C])`.
        swapped: Images of shape `(N, K, H, W[, C])`: each image under K target labels.
        as_y: The K target labels.
        class_names: Name of each class; by default its number.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    swapped = [cvae.reconstruct(x, y, as_y=np.full(len(x), k)) for k in range(10)]
    plots.label_swaps(x, np.stack(swapped, axis=1), range(10))
    ```
    """
    x = arrays.images("x", x)
    shape = (len(x), None, *x.shape[1:])
    swapped = arrays.images("swapped", swapped, ("N", "K"), shape=shape)
    names = arrays.names("as_y", as_y, class_names, swapped.shape[1])
    return mosaic(
        np.concatenate([x[:, None], swapped], axis=1),
        column_labels=["input", *names],
        xlabel="label",
        ylabel="one input image a row",
        headers=True,
        title=title,
    )
