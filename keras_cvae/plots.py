"""Pictures of what a model does: arrays in, a matplotlib `Figure` out.

No function here touches a model: compute the images, then draw them. Images are uint8 in 0..255
or numbers in [0, 1], with shape `(H, W)`, `(H, W, 1)` or `(H, W, 3)` behind the leading axes that
each function names; vectors have to be reshaped first. Labels are integers, -1 means unlabelled.
A figure belongs to no window and to no global list: keep it, or write it with
`figure.savefig("name.png")`. At its own resolution a pixel of an image is a whole number of
pixels on the screen, unless the grid is larger than 4000 pixels. Wherever an array has the wrong
shape, type or range, or does not match another, a `ValueError` says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

TERMS = ("loss", "reconstruction", "kl", "classification")
DPI = 100
# Sizes on the screen, in pixels: of a whole grid, of the sides of one image, of the margin.
GRID_SIZE, MAX_GRID_SIZE = 700, 4000
MIN_TILE_SIZE, TILE_SIZE = 40, 112
MARGIN = 8
MAX_COLORBAR_NAMES = 30


def loss_curves(history: Mapping[str, Sequence[float]], *, title: str | None = None) -> Figure:
    """Draws one panel a term of the loss, training and validation together.

    Args:
        history: The `history` of the `History` that `fit` returns: lists with one value an
            epoch, in nats per image. Drawn are `"loss"`, `"reconstruction"`, `"kl"` and
            `"classification"` with their `"val_"` twins; other keys are left out.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If no term is there, or a list has not one value an epoch.

    Example:
    ```python
    history = cvae.fit([x_train, y_train], epochs=10)
    keras_cvae.plots.loss_curves(history.history).savefig("loss.png")
    ```
    """
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    drawn = {key: values for key, values in history.items() if key.removeprefix("val_") in TERMS}
    lengths = {key: len(values) for key, values in drawn.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(
            f"`history` must hold one value an epoch for at least one of {', '.join(TERMS)}. "
            f"Received: numbers of values {lengths} for the keys {list(history)}"
        )
    terms = [term for term in TERMS if term in drawn or f"val_{term}" in drawn]
    figure = Figure(figsize=(4 * len(terms), 3.2), dpi=DPI, layout="constrained")
    figure.suptitle(title or "")
    for axes, term in zip(figure.subplots(1, len(terms), squeeze=False)[0], terms, strict=True):
        for key, name in ((term, "training"), (f"val_{term}", "validation")):
            if key in drawn:
                axes.plot(range(1, lengths[key] + 1), drawn[key], marker=".", label=name)
        axes.set(title=term, xlabel="epoch", ylabel="nats per image")
        axes.set_xlim(0.5, max(lengths.values()) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axes.grid(alpha=0.3)
        axes.legend()
    return figure


def reconstructions(
    images: ArrayLike,
    reconstructed: ArrayLike,
    *,
    labels: ArrayLike | None = None,
    class_names: Sequence[str] | None = None,
    max_images: int = 16,
    title: str | None = "Reconstructions",
) -> Figure:
    """Draws images in one row and their reconstructions in the row below.

    Args:
        images: Images, of shape `(N, H, W[, C])`.
        reconstructed: Their reconstructions, of the same shape.
        labels: Labels of shape `(N,)`, written above the columns.
        class_names: Name of each class; by default its number.
        max_images: The first `max_images` images are drawn.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    plots.reconstructions(x_test, cvae.reconstruct(x_test, y_test), labels=y_test)
    ```
    """
    images = _as_images(images, "images")
    pairs = np.stack([images, _as_images(reconstructed, "reconstructed", shape=images.shape)])
    shown = _positive(max_images, "max_images")
    names = None if labels is None else _names(labels, class_names, len(images))[:shown]
    return _mosaic(
        pairs[:, :shown],
        row_labels=("input", "reconstruction"),
        column_labels=names,
        xlabel=None if labels is None else "label",
        headers=True,
        title=title,
    )


def class_rows(
    images: ArrayLike,
    labels: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    columns: int = 10,
    title: str | None = "Images by label",
) -> Figure:
    """Draws one row of images a class.

    Args:
        images: Images, of shape `(N, H, W[, C])`, in any order.
        labels: Labels of shape `(N,)`. The rows are the labels that occur, -1 last.
        class_names: Name of each class; by default its number.
        columns: The first `columns` images of each class are drawn.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    labels = np.repeat(np.arange(10), 8)
    plots.class_rows(cvae.generate(labels, seed=0), labels)
    ```
    """
    images = _as_images(images, "images")
    labels = _as_labels(labels, class_names, len(images))
    present = sorted(set(labels.tolist()), key=lambda label: (label < 0, label))
    rows = [images[labels == label][: _positive(columns, "columns")] for label in present]
    grid = np.ones((len(rows), max(map(len, rows)), *images.shape[1:]), "float32")
    for tiles, row in zip(grid, rows, strict=True):
        tiles[: len(row)] = row
    names = _names(present, class_names, len(present))
    return _mosaic(grid, row_labels=names, ylabel="label", title=title)


def sheet(images: ArrayLike, *, columns: int | None = None, title: str | None = None) -> Figure:
    """Draws a contact sheet: images side by side, from left to right and top to bottom.

    Args:
        images: Images, of shape `(N, H, W[, C])`.
        columns: Number of images in a row; by default the sheet is about square.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    plots.sheet(x_train[:100], title="Training images")
    ```
    """
    images = _as_images(images, "images")
    if columns is None:
        columns = math.ceil(math.sqrt(len(images)))
    columns = min(_positive(columns, "columns"), len(images))
    rows = math.ceil(len(images) / columns)
    grid = np.ones((rows * columns, *images.shape[1:]), "float32")
    grid[: len(images)] = images
    return _mosaic(grid.reshape(rows, columns, *images.shape[1:]), title=title)


def label_swaps(
    images: ArrayLike,
    swapped: ArrayLike,
    labels: ArrayLike,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = "The same images under other labels",
) -> Figure:
    """Draws images on the left and, beside them, how each looks under other labels.

    Args:
        images: Images, of shape `(N, H, W[, C])`.
        swapped: Images of shape `(N, K, H, W[, C])`: each image under K target labels.
        labels: The K target labels.
        class_names: Name of each class; by default its number.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    swapped = [cvae.reconstruct(x, y, as_labels=np.full(len(x), k)) for k in range(10)]
    plots.label_swaps(x, np.stack(swapped, axis=1), range(10))
    ```
    """
    images = _as_images(images, "images")
    shape = (len(images), None, *images.shape[1:])
    swapped = _as_images(swapped, "swapped", ("N", "K"), shape=shape)
    names = _names(labels, class_names, swapped.shape[1])
    return _mosaic(
        np.concatenate([images[:, None], swapped], axis=1),
        column_labels=["input", *names],
        xlabel="label",
        ylabel="one input image a row",
        headers=True,
        title=title,
    )


def manifold(
    images: ArrayLike,
    *,
    x: ArrayLike | None = None,
    y: ArrayLike | None = None,
    axis_names: tuple[str, str] = ("z[0]", "z[1]"),
    title: str | None = "Latent manifold",
) -> Figure:
    """Draws images over a grid of two latent coordinates, as one seamless picture.

    Args:
        images: Images of shape `(rows, columns, H, W[, C])`; `images[i, j]` belongs to
            `y[i]` and `x[j]`. As in any plot, y points upwards: `images[0]` is drawn at
            the bottom.
        x: Coordinates of the columns, of shape `(columns,)`, written below them.
        y: Coordinates of the rows, of shape `(rows,)`, written beside them.
        axis_names: Names of the two coordinates.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    x = y = np.linspace(-2, 2, 20)
    z = np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)
    images = cvae.generator.predict([z, np.full(len(z), 3)])
    plots.manifold(images.reshape(20, 20, 28, 28), x=x, y=y)
    ```
    """
    images = _as_images(images, "images", ("rows", "columns"))
    rows, columns = images.shape[:2]
    return _mosaic(
        images[::-1],
        row_labels=None if y is None else _format(_as_numbers(y, "y", (rows,)))[::-1],
        column_labels=None if x is None else _format(_as_numbers(x, "x", (columns,))),
        xlabel=axis_names[0],
        ylabel=axis_names[1],
        title=title,
        seamless=True,
    )


def latent_scatter(
    z: ArrayLike,
    labels: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = "Latent space",
) -> Figure:
    """Draws latent vectors as points, coloured by class.

    Args:
        z: Latent vectors, of shape `(N, latent_dim)`. With more than two dimensions they
            are projected on their first two principal components.
        labels: Labels of shape `(N,)`; unlabelled points are grey. `None` draws all points
            in one colour.
        class_names: Name of each class; by default its number.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    z_mean, z_log_var = cvae.encoder.predict([x_test, y_test])
    plots.latent_scatter(z_mean, y_test)
    ```
    """
    from matplotlib.figure import Figure

    z = _as_numbers(z, "z", (None, None))
    if z.shape[1] < 2:
        raise ValueError(
            f"`z` must have at least two latent dimensions, for two axes. Received: shape {z.shape}"
        )
    axis_names = ("z[0]", "z[1]")
    if z.shape[1] > 2:
        z, shares = _principal_components(z)
        axis_names = [f"PC {i} ({share:.0%} of variance)" for i, share in enumerate(shares, 1)]
    figure = Figure(figsize=(7, 6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    style = {"s": float(np.clip(20_000 / len(z), 3, 20)), "linewidths": 0, "rasterized": True}
    if labels is None:
        axes.scatter(*z.T, alpha=0.3, **style)
    else:
        labels = _as_labels(labels, class_names, len(z))
        known = int(labels.max()) + 1 if class_names is None else len(class_names)
        classes = range(int(min(labels.min(), 0)), known)
        points = axes.scatter(*z.T, c=labels, alpha=0.7, **style, **_class_colors(classes))
        ticks = classes[:: math.ceil(len(classes) / MAX_COLORBAR_NAMES)]
        bar = figure.colorbar(points, ax=axes, label="label")
        bar.solids.set_alpha(1)
        bar.set_ticks(ticks, labels=_names(ticks, class_names, len(ticks)), parse_math=False)
        bar.ax.tick_params(which="both", length=0)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=title or "")
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def interpolation(
    images: ArrayLike,
    *,
    row_labels: Sequence[str] | None = None,
    title: str | None = "Latent interpolation",
) -> Figure:
    """Draws paths through the latent space, one a row.

    Args:
        images: Images of shape `(R, S, H, W[, C])`: R paths of S evenly spaced steps, from
            position 0 to position 1.
        row_labels: A name for each path.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    t = np.linspace(0, 1, 9)[:, None]
    images = cvae.generator.predict([(1 - t) * z_start + t * z_end, np.full(9, 3)])
    plots.interpolation(images[None], row_labels=["3"])
    ```
    """
    images = _as_images(images, "images", ("R", "S"))
    rows, steps = images.shape[:2]
    if row_labels is not None and len(row_labels) != rows:
        raise ValueError(
            f"`row_labels` must hold a name for each of the {rows} rows. Received: {row_labels}"
        )
    return _mosaic(
        images,
        row_labels=row_labels,
        column_labels=_format(np.linspace(0.0, 1.0, steps)),
        xlabel="position along the path",
        title=title,
    )


def traversals(
    images: ArrayLike,
    values: ArrayLike,
    *,
    dims: ArrayLike | None = None,
    title: str | None = "Latent traversals",
) -> Figure:
    """Draws what each latent dimension changes, one dimension a row.

    Args:
        images: Images of shape `(D, S, H, W[, C])`; in `images[i, j]` dimension `dims[i]` has
            the value `values[j]`, and the other dimensions stay as they are.
        values: The S values of the coordinate.
        dims: The D latent dimensions; by default 0, 1, ..., D - 1.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    values = np.linspace(-3, 3, 9)
    z = np.zeros((4, 9, latent_dim))
    for i in range(4):
        z[i, :, i] = values
    images = cvae.generator.predict([z.reshape(36, -1), np.full(36, 3)])
    plots.traversals(images.reshape(4, 9, 28, 28), values)
    ```
    """
    images = _as_images(images, "images", ("D", "S"))
    rows, steps = images.shape[:2]
    dims = range(rows) if dims is None else _as_numbers(dims, "dims", (rows,), whole=True)
    return _mosaic(
        images,
        row_labels=[f"z[{dim}]" for dim in dims],
        column_labels=_format(_as_numbers(values, "values", (steps,))),
        xlabel="latent value",
        ylabel="latent dimension",
        title=title,
    )


def _mosaic(
    images: np.ndarray,
    *,
    row_labels: Sequence[str] | None = None,
    column_labels: Sequence[str] | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    title: str | None = None,
    headers: bool = False,
    seamless: bool = False,
) -> Figure:
    """Draws `(rows, columns, H, W, C)` images as one; `headers` puts column labels on top."""
    from matplotlib.figure import Figure

    rows, columns, height, width, channels = images.shape
    gap = 0 if seamless else max(1, round(min(height, width) / 28))
    down, across = height + gap, width + gap
    edges = ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0))
    canvas = np.pad(images, edges, constant_values=1.0).swapaxes(1, 2)
    canvas = canvas.reshape(rows * down, columns * across, channels)
    canvas = canvas[: rows * down - gap, : columns * across - gap]

    size = max(canvas.shape)
    scale = min(GRID_SIZE // size, TILE_SIZE // max(height, width))
    scale = max(scale, math.ceil(MIN_TILE_SIZE / min(height, width)))
    scale = min(scale, MAX_GRID_SIZE / size)
    tall, wide = scale * canvas.shape[0], scale * canvas.shape[1]
    figure = Figure(figsize=(wide / DPI, tall / DPI), dpi=DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(
        canvas[..., 0] if channels == 1 else canvas,
        cmap="gray",
        vmin=0.0,
        vmax=1.0,
        interpolation="nearest" if scale >= 1 else "auto",
    )
    for axis, labels, pitch, side, count in (
        (axes.xaxis, column_labels, across, width, columns),
        (axes.yaxis, row_labels, down, height, rows),
    ):
        shown = 0 if labels is None else count
        centres = np.arange(shown) * pitch + (side - 1) / 2
        axis.set_ticks(centres, labels=[] if labels is None else labels, parse_math=False)
    axes.tick_params(length=0, top=headers, labeltop=headers, labelbottom=not headers)
    axes.xaxis.set_label_position("top" if headers else "bottom")
    axes.set(xlabel=xlabel or "", ylabel=ylabel or "", title=title or "")
    axes.spines[:].set_visible(False)
    if any(text.get_window_extent().width > scale * across for text in axes.get_xticklabels()):
        axes.tick_params(axis="x", rotation=90)

    # The figure grows around the image, so that no text is clipped and the scale stays whole.
    box = axes.get_tightbbox()
    left, bottom = MARGIN + math.ceil(-box.x0), MARGIN + math.ceil(-box.y0)
    full_width = left + math.ceil(box.x1) + MARGIN
    full_height = bottom + math.ceil(box.y1) + MARGIN
    figure.set_size_inches(full_width / DPI, full_height / DPI)
    axes.set_position(
        (left / full_width, bottom / full_height, wide / full_width, tall / full_height)
    )
    return figure


def _principal_components(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first two principal components and their shares of the variance."""
    centred = z - z.mean(axis=0)
    variances, vectors = np.linalg.eigh(centred.T @ centred / len(z))
    vectors = vectors[:, [-1, -2]]
    # An eigenvector's sign is arbitrary: its largest entry is made positive.
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    shares = variances[[-1, -2]] / (variances.sum() or 1.0)
    return centred @ (vectors * np.where(largest < 0, -1.0, 1.0)), np.maximum(shares, 0.0)


def _class_colors(classes: range) -> dict:
    """Returns the colour map and norm of consecutive classes; the class -1 is grey."""
    import matplotlib
    from matplotlib.colors import BoundaryNorm, ListedColormap

    if classes.stop <= 10:
        colors = list(matplotlib.colormaps["tab10"].colors[: classes.stop])
    else:
        colors = list(matplotlib.colormaps["turbo"](np.linspace(0.0, 1.0, classes.stop)))
    colors = ["lightgrey"] * (classes.start < 0) + colors
    boundaries = np.arange(classes.start, classes.stop + 1) - 0.5
    return {"cmap": ListedColormap(colors), "norm": BoundaryNorm(boundaries, len(colors))}


def _as_images(images: ArrayLike, name: str, leading=("N",), shape=None) -> np.ndarray:
    """Returns checked float32 images in [0, 1] with `leading` axes, then `(H, W, C)`."""
    array, scaled = _convert(images, name, "float32")
    lead = len(leading)
    if array.ndim not in (lead + 2, lead + 3):
        raise ValueError(
            f"`{name}` must have shape ({', '.join(leading)}, H, W[, C]); reshape vectors into "
            f"images first. Received: shape {array.shape}"
        )
    if array.ndim == lead + 2:
        scaled = scaled[..., None]
    if scaled.shape[-1] not in (1, 3):
        raise ValueError(f"`{name}` must have 1 or 3 channels. Received: shape {array.shape}")
    _check_shape(array.shape, scaled.shape, name, shape)
    if array.dtype == np.uint8:
        return scaled / 255.0
    low, high = scaled.min(), scaled.max()
    # Written so that NaN, which compares false, is refused as well.
    if not (low >= -1e-6 and high <= 1 + 1e-6):
        raise ValueError(
            f"`{name}` must be uint8, or lie in [0, 1] without NaN. "
            f"Received: {array.dtype} values from {low:g} to {high:g}"
        )
    return np.clip(scaled, 0.0, 1.0)


def _as_numbers(values: ArrayLike, name: str, shape: tuple, whole: bool = False) -> np.ndarray:
    """Returns checked finite numbers or integers of `shape`, where `None` is any length."""
    array, numbers = _convert(values, name, "int64" if whole else "float64")
    if whole and array.dtype.kind not in "iu":
        raise ValueError(f"`{name}` must be integers. Received: {array.dtype} values")
    _check_shape(array.shape, array.shape, name, shape)
    if not np.isfinite(numbers).all():
        raise ValueError(f"`{name}` must be finite. Received: NaN or infinite values")
    return numbers


def _as_labels(labels: ArrayLike, class_names: Sequence[str] | None, count: int) -> np.ndarray:
    labels = _as_numbers(labels, "labels", (count,), whole=True)
    highest = np.inf if class_names is None else len(class_names) - 1
    if labels.min() < -1 or labels.max() > highest:
        raise ValueError(
            f"`labels` must lie between -1 (unlabelled) and "
            f"{'any class' if class_names is None else f'{highest}, the last of `class_names`'}. "
            f"Received: labels from {labels.min()} to {labels.max()}"
        )
    return labels


def _names(labels: ArrayLike, class_names: Sequence[str] | None, count: int) -> list[str]:
    return [
        "unlabelled" if label < 0 else str(label if class_names is None else class_names[label])
        for label in _as_labels(labels, class_names, count).tolist()
    ]


def _convert(values: ArrayLike, name: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    try:
        array = np.asarray(values)
        return array, array.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"`{name}` must be an array of numbers. Received: {type(values).__name__} ({error})"
        ) from error


def _check_shape(received: tuple, actual: tuple, name: str, expected: tuple | None) -> None:
    """Compares `actual` with `expected` and refuses what is empty; the message says `received`."""
    if 0 in actual:
        raise ValueError(f"`{name}` must not be empty. Received: shape {received}")
    if expected is None:
        return
    pairs = zip(expected, actual, strict=False)
    if len(expected) != len(actual) or any(n not in (None, size) for n, size in pairs):
        wanted = ", ".join("any" if n is None else str(n) for n in expected)
        raise ValueError(f"`{name}` must have shape ({wanted}). Received: shape {received}")


def _positive(value: int, name: str) -> int:
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1. Received: {value}")
    return int(value)


def _format(values: np.ndarray) -> list[str]:
    """Writes coordinates with as few decimals as tell neighbours apart faithfully."""
    step = np.ptp(values) / max(len(values) - 1, 1) or np.abs(values).max()
    errors = (np.abs(np.round(values, d) - values).max() <= 0.03 * step for d in range(6))
    decimals = next((d for d, fits in enumerate(errors) if fits), 6)
    return [f"{value:.{decimals}f}" for value in np.round(values, decimals) + 0.0]
