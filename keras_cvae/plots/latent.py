"""Pictures of the latent space: its manifold, paths, dimensions and points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_cvae import checks
from keras_cvae.plots import arrays
from keras_cvae.plots.mosaic import DPI, mosaic

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

MAX_COLORBAR_NAMES = 30


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
    images = arrays.images("images", images, ("rows", "columns"))
    rows, columns = images.shape[:2]
    return mosaic(
        images[::-1],
        row_labels=None if y is None else arrays.decimals(checks.array("y", y, (rows,)))[::-1],
        column_labels=None if x is None else arrays.decimals(checks.array("x", x, (columns,))),
        xlabel=axis_names[0],
        ylabel=axis_names[1],
        title=title,
        seamless=True,
    )


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
    images = arrays.images("images", images, ("R", "S"))
    rows, steps = images.shape[:2]
    expected = f"must contain a name for each of the {rows} rows"
    checks.require(
        row_labels is None or len(row_labels) == rows, "row_labels", expected, row_labels
    )
    return mosaic(
        images,
        row_labels=row_labels,
        column_labels=arrays.decimals(np.linspace(0.0, 1.0, steps)),
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
    """Draws the effect of each latent dimension, one dimension a row.

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
    images = arrays.images("images", images, ("D", "S"))
    rows, steps = images.shape[:2]
    dims = range(rows) if dims is None else checks.array("dims", dims, (rows,), "int64")
    return mosaic(
        images,
        row_labels=[f"z[{dim}]" for dim in dims],
        column_labels=arrays.decimals(checks.array("values", values, (steps,))),
        xlabel="latent value",
        ylabel="latent dimension",
        title=title,
    )


def latent_scatter(
    z: ArrayLike,
    y: ArrayLike | None = None,
    *,
    class_names: Sequence[str] | None = None,
    title: str | None = "Latent space",
) -> Figure:
    """Draws latent vectors as points, coloured by class.

    Args:
        z: Latent vectors, of shape `(N, latent_dim)`. With more than two dimensions they
            are projected on their first two principal components.
        y: Labels of shape `(N,)`; unlabelled points are grey. `None` draws all points
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

    z = checks.array("z", z, (None, None))
    expected = "must have at least two latent dimensions, for two axes"
    checks.require(z.shape[1] >= 2, "z", expected, f"shape {z.shape}")
    axis_names = ("z[0]", "z[1]")
    if z.shape[1] > 2:
        z, shares = _principal_components(z)
        axis_names = [f"PC {i} ({share:.0%} of variance)" for i, share in enumerate(shares, 1)]
    figure = Figure(figsize=(7, 6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    style: dict[str, Any] = {
        "s": float(np.clip(20_000 / len(z), 3, 20)),
        "linewidths": 0,
        "rasterized": True,
    }
    if y is None:
        axes.scatter(z[:, 0], z[:, 1], alpha=0.3, **style)
    else:
        y = arrays.labels("y", y, class_names, len(z))
        known = int(y.max()) + 1 if class_names is None else len(class_names)
        classes = range(int(min(y.min(), 0)), known)
        points = axes.scatter(z[:, 0], z[:, 1], c=y, alpha=0.7, **style, **_class_colors(classes))
        ticks = classes[:: math.ceil(len(classes) / MAX_COLORBAR_NAMES)]
        bar = figure.colorbar(points, ax=axes, label="label")
        bar.solids.set_alpha(1)
        names = arrays.names("y", ticks, class_names, len(ticks))
        bar.set_ticks(ticks, labels=names, parse_math=False)
        bar.ax.tick_params(which="both", length=0)
    axes.set(xlabel=axis_names[0], ylabel=axis_names[1], title=title or "")
    axes.set_aspect("equal", adjustable="datalim")
    return figure


def latent_use(
    values: ArrayLike,
    *,
    ylabel: str = "nats",
    title: str | None = "Use of the latent dimensions",
) -> Figure:
    """Draws a bar for each latent dimension, in decreasing order.

    Args:
        values: A number for each dimension, of shape `(latent_dim,)`, such as the mean of
            `evaluation.kl_per_dimension`.
        ylabel: What the numbers are, and their unit.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Example:
    ```python
    kl = evaluation.kl_per_dimension(cvae, x_test, y_test)
    plots.latent_use(kl.mean(axis=0), ylabel="KL divergence in nats")
    ```
    """
    from matplotlib.figure import Figure

    values = checks.array("values", values, (None,))
    order = np.argsort(-values, kind="stable")
    width = float(np.clip(0.22 * len(values) + 1.5, 4, 14))
    figure = Figure(figsize=(width, 3), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    axes.bar(range(len(values)), values[order])
    shown = range(0, len(values), math.ceil(len(values) / 60))
    axes.set_xticks(shown, [str(order[place]) for place in shown], fontsize="small")
    axes.set(xlabel="latent dimension", ylabel=ylabel, title=title or "")
    axes.grid(axis="y", alpha=0.3)
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


def _class_colors(classes: range) -> dict[str, Any]:
    """Returns the colour map and norm of consecutive classes; the class -1 is grey."""
    import matplotlib
    from matplotlib.colors import BoundaryNorm, ListedColormap

    if classes.stop <= 10:
        colors = list(matplotlib.colormaps["tab10"](range(classes.stop)))
    else:
        colors = list(matplotlib.colormaps["turbo"](np.linspace(0.0, 1.0, classes.stop)))
    colors = ["lightgrey"] * (classes.start < 0) + colors
    boundaries = np.arange(classes.start, classes.stop + 1) - 0.5
    return {"cmap": ListedColormap(colors), "norm": BoundaryNorm(boundaries, len(colors))}
