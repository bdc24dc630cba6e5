"""Images and curves as data URLs, which contain the picture itself, and back."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH, HEIGHT = 220, 130  # of a curve, in pixels


def image(pixels: np.ndarray) -> str:
    """Returns an image as the data URL of a PNG.

    Args:
        pixels: Image of shape `(H, W, C)`, in [0, 1].
    """
    from PIL import Image

    array = np.round(255 * np.clip(pixels, 0.0, 1.0)).astype("uint8")
    file = io.BytesIO()
    Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array).save(
        file, "png", compress_level=1
    )
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def profile(values: np.ndarray, low: float, high: float) -> str:
    """Returns a vector, drawn as a curve, as the data URL of an SVG.

    Args:
        values: Vector of shape `(size,)`.
        low: Lower end of the vertical axis.
        high: Upper end of the vertical axis.
    """
    x = np.linspace(4, WIDTH - 4, len(values))
    y = HEIGHT - 4 - (np.clip(values, low, high) - low) / (high - low) * (HEIGHT - 8)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    texts = "".join(
        f'<text x="3" y="{place}" font-size="10" fill="#777">{number:.3g}</text>'
        for place, number in ((11, high), (HEIGHT - 3, low))
    )
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}"><rect width="100%" height="100%" fill="#fff"/>{texts}'
        f'<polyline points="{points}" fill="none" stroke="#2563eb" stroke-width="1.8"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def pixels(address: str, shape: Sequence[int]) -> np.ndarray:
    """Decodes a data URL to an image, resized, as uint8.

    Args:
        address: Data URL of an image, such as the value of `components.drawing`.
        shape: The shape to return, `(H, W, C)`, C 1 or 3.
    """
    from PIL import Image

    height, width, channels = shape
    content = base64.b64decode(address.partition(",")[2])
    with Image.open(io.BytesIO(content)) as source:
        resized = source.convert("RGB" if channels == 3 else "L").resize(
            (width, height), Image.Resampling.BOX
        )
    return np.asarray(resized, "uint8").reshape(height, width, channels)


def figure(images: np.ndarray, captions: Sequence[str], is_vector: bool = False) -> Figure:
    """Draws images or profiles side by side, for a file.

    Args:
        images: Images of shape `(count, H, W, C)` in [0, 1], or vectors of shape `(count, size)`.
        captions: A text for each.
        is_vector: Whether they are vectors.
    """
    from matplotlib.figure import Figure

    from keras_cvae.plots.mosaic import DPI, mosaic

    if not is_vector:
        return mosaic(images[None], column_labels=captions, headers=True)
    figure = Figure(figsize=(2.4 * min(len(images), 5), 1.9 * -(-len(images) // 5)), dpi=DPI)
    figure.set_layout_engine("constrained")
    grid = figure.subplots(-(-len(images) // 5), min(len(images), 5), squeeze=False, sharey=True)
    for axes, values, caption in zip(grid.flat, images, captions, strict=False):
        axes.plot(values)
        axes.set_title(caption, fontsize="small", parse_math=False)
        axes.grid(alpha=0.3)
    for axes in grid.flat[len(images) :]:
        axes.set_visible(False)
    return figure


def png(drawn: Figure) -> str:
    """Returns a figure as the data URL of a PNG."""
    file = io.BytesIO()
    drawn.savefig(file, format="png")
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()
