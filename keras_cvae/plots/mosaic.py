"""One grid of images, drawn pixel by pixel, with texts around it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
# Sizes on the screen, in pixels: of a whole grid, of the sides of one image, of the margin.
GRID_SIZE, MAX_GRID_SIZE = 700, 4000
MIN_TILE_SIZE, TILE_SIZE = 40, 112
MARGIN = 8


def mosaic(
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
    """Draws a grid of images as one.

    Args:
        images: Images in [0, 1], of shape `(rows, columns, H, W, C)`.
        row_labels: A text for each row.
        column_labels: A text for each column.
        xlabel: Name of the horizontal axis.
        ylabel: Name of the vertical axis.
        title: Title of the figure.
        headers: Whether column labels are on top rather than below.
        seamless: Whether there is no gap between images.
    """
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
