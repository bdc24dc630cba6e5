"""Pictures of tables: the distribution of each column, and the associations of pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae.checks import require
from keras_cvae.plots.mosaic import DPI
from keras_cvae.tables.columns import Column
from keras_cvae.tables.groups import columns_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ACROSS = 4  # panels side by side
MOST_BARS = 20  # most frequent categories
MOST_BINS = 30
COLOURS = "tab:blue", "tab:orange"


def marginals(
    real: np.ndarray,
    generated: np.ndarray,
    columns: Sequence[Column] | Mapping[str, str | list[str]],
    *,
    title: str | None = "Columns, real and generated",
) -> Figure:
    """Draws a panel a column: histograms of numbers, bars of categories.

    Args:
        real: Real rows, of shape `(rows, columns)`, NaN where a cell is missing.
        generated: Generated rows, of shape `(others, columns)`.
        columns: The columns, such as `Table.learned`, or a dict for `tables.Columns`.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the arrays have another number of columns.
    """
    from matplotlib.figure import Figure

    columns = columns_of(columns) if isinstance(columns, Mapping) else list(columns)
    for name, rows in ("real", real), ("generated", generated):
        fits = np.ndim(rows) == 2 and np.shape(rows)[1] == len(columns)
        expected = f"must have the shape (rows, {len(columns)})"
        require(fits, name, expected, f"shape {np.shape(rows)}")
    down = math.ceil(len(columns) / ACROSS)
    across = min(ACROSS, len(columns))
    figure = Figure(figsize=(3.4 * across, 2.6 * down + 0.8), dpi=DPI, layout="constrained")
    figure.suptitle(title or "")
    panels = figure.subplots(down, across, squeeze=False).ravel()
    for axes in panels[len(columns) :]:
        axes.remove()
    for axes, column, *cells in zip(panels, columns, real.T, generated.T, strict=False):
        cells = [part[~np.isnan(part)] for part in cells]
        draw = _histogram if column.levels is None else _bars
        draw(axes, column, cells)
        axes.set_title(_plain(column.name), fontsize="medium")
        axes.set_ylabel("share of rows", fontsize="small")
        axes.tick_params(labelsize="small")
    names = "real", "generated"
    handles, _ = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2)
    return figure


def correlations(
    real: np.ndarray,
    generated: np.ndarray,
    names: Sequence[str],
    *,
    title: str | None = "Association of columns",
) -> Figure:
    """Draws the associations of real and of generated columns, and their mean difference.

    Args:
        real: The association of each two columns of real rows, of shape `(columns, columns)`, from
            -1 to 1, as `evaluation.associations` returns it.
        generated: The same of generated rows.
        names: Names of the columns.
        title: Title of the figure.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: If the arrays do not have a row and a column for each name.
    """
    from matplotlib.figure import Figure

    for name, square in ("real", real), ("generated", generated):
        expected = f"must have the shape ({len(names)}, {len(names)})"
        require(np.shape(square) == (len(names),) * 2, name, expected, f"shape {np.shape(square)}")
    side = max(3.0, 0.28 * len(names) + 1.2)
    figure = Figure(figsize=(2 * side + 1.5, side + 0.6), dpi=DPI, layout="constrained")
    off = ~np.eye(len(names), dtype=bool)
    difference = np.abs(np.subtract(real, generated))[off].mean() if off.any() else 0.0
    figure.suptitle(f"{title}; mean difference {difference:.3f}" if title else "")
    panels = figure.subplots(1, 2, sharey=True)
    ticks = range(len(names))
    for axes, square, label in zip(panels, (real, generated), ("real", "generated"), strict=True):
        image = axes.imshow(square, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_title(label)
        axes.set_xticks(ticks, [*map(_short, names)], rotation=90, fontsize="small")
    panels[0].set_yticks(ticks, [*map(_short, names)], fontsize="small")
    label = "correlation\n(ratio or Cramér's V with categories)"
    figure.colorbar(image, ax=panels, shrink=0.8).set_label(label, fontsize="small")
    return figure


def _histogram(axes, column, cells):
    low, high = np.percentile(np.concatenate(cells), (0.1, 99.9))
    whole = all((part == np.round(part)).all() for part in cells)
    bins = min(MOST_BINS, math.ceil(2 * math.sqrt(min(map(len, cells)) or 1)))
    width = max(1.0, math.ceil((high - low) / bins)) if whole else (high - low) / bins or 1.0
    edges = np.arange(low - 0.5 * whole, high + 1.001 * width, width)
    for part, colour in zip(cells, COLOURS, strict=True):
        weights = np.full(len(part), 1 / max(len(part), 1))
        part = np.clip(part, edges[0], edges[-1])
        style = dict(color=colour, histtype="stepfilled", alpha=0.45, label=colour)
        axes.hist(part, edges, weights=weights, **style)
    axes.set_xlabel(column.unit, fontsize="small")


def _bars(axes, column, cells):
    names = column.names
    shares = [np.bincount(c.astype(int), minlength=len(names)) / max(len(c), 1) for c in cells]
    order = np.arange(len(names))
    if len(names) > MOST_BARS:
        order = np.argsort(-shares[0], kind="stable")[:MOST_BARS]
    for place, (share, colour) in enumerate(zip(shares, COLOURS, strict=True)):
        where = np.arange(len(order)) + 0.4 * (place - 0.5)
        axes.bar(where, share[order], 0.4, color=colour, alpha=0.7, label=colour)
    shown = [_short(names[place]) for place in order]
    crowded = sum(map(len, shown)) > 24
    style = dict(rotation=90 if crowded else 0, fontsize="small")
    axes.set_xticks(range(len(order)), shown, **style)
    hidden = len(names) - len(order)
    axes.set_xlabel(
        f"category ({hidden} rarer not shown)" if hidden else "category", fontsize="small"
    )


def _plain(name):
    """Returns a name whose dollar signs are not mathematics to matplotlib."""
    return name.replace("$", r"\$")


def _short(name, most=18):
    return _plain(name if len(name) <= most else name[: most - 1] + "…")
