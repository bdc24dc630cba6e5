"""Images and profiles as data URLs, and back."""

import base64
import re

import numpy as np
import pytest

from keras_cvae.explore import data_urls

pytestmark = pytest.mark.once


@pytest.mark.parametrize("channels", [1, 3])
def test_image_to_data_url_and_back(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, channels), dtype="uint8")
    address = data_urls.image(pixels / 255)
    np.testing.assert_array_equal(data_urls.pixels(address, (6, 4, channels)), pixels)
    halved = data_urls.pixels(address, (3, 2, channels))
    blocks = pixels.reshape(3, 2, 2, 2, channels).mean((1, 3))
    np.testing.assert_allclose(halved, blocks, atol=1)


def test_a_profile():
    kind, _, content = data_urls.profile(np.array([0.0, 5.0, 10.0]), 0.0, 10.0).partition(",")
    assert kind == "data:image/svg+xml;base64"
    points = re.search(r'points="([^"]+)"', base64.b64decode(content).decode())[1].split()
    heights = [float(point.split(",")[1]) for point in points]
    assert heights == [data_urls.HEIGHT - 4, data_urls.HEIGHT / 2, 4]


def test_the_figure_to_save():
    assert data_urls.png(data_urls.figure(np.zeros((3, 4, 4, 1)), "abc")).startswith(
        "data:image/png"
    )
    figure = data_urls.figure(np.zeros((7, 9)), "abcdefg", is_vector=True)
    assert sum(axes.get_visible() for axes in figure.axes) == 7
