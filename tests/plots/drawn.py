"""Reads images, labels and pixels back from a figure."""

import io

import numpy as np
import pytest

IMAGE_SHAPES = {
    "grey": (28, 28),
    "grey_channel": (28, 28, 1),
    "colour": (32, 32, 3),
    "non_square": (12, 20),
    "non_square_colour": (20, 12, 3),
    "tiny": (8, 8),
    "large": (64, 64, 3),
}
NAMES = ("cat", "dog", "a $ and $ b")

shapes = pytest.mark.parametrize("shape", IMAGE_SHAPES.values(), ids=IMAGE_SHAPES)


def random_images(*shape, dtype="float32"):
    images = np.random.default_rng(0).random(shape)
    return (images * 255).astype(dtype) if dtype == "uint8" else images.astype(dtype)


def png(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer)
    assert buffer.getvalue().startswith(b"\x89PNG")
    return buffer


def canvas(figure):
    (axes,) = figure.axes
    (image,) = axes.get_images()
    return np.asarray(image.get_array())


def tile(figure, row, column, shape, seamless=False):
    height, width = shape[:2]
    gap = 0 if seamless else max(1, round(min(height, width) / 28))
    top, left = row * (height + gap), column * (width + gap)
    return canvas(figure)[top : top + height, left : left + width]


def ticks(axis):
    return dict(zip([t.get_text() for t in axis.get_ticklabels()], axis.get_ticklocs()))  # noqa: B905


def assert_tile(figure, row, column, image, **kwargs):
    shown = tile(figure, row, column, image.shape, **kwargs)
    np.testing.assert_allclose(shown, image.reshape(shown.shape), atol=1e-6)
