"""Mosaics: whole pixels, no clipped text, no figure left in pyplot."""

import numpy as np
import pytest

from keras_cvae import plots
from tests.plots.drawn import canvas, png, random_images

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("grid", "shape"),
    [
        ((20, 20), (28, 28)),
        ((1, 1), (28, 28)),
        ((3, 9), (8, 8)),
        ((2, 3), (12, 20)),
        ((40, 30), (28, 28)),
    ],
)
def test_a_source_pixel_is_a_whole_number_of_screen_pixels(grid, shape):
    figure = plots.manifold(random_images(*grid, *shape), x=np.arange(grid[1]))
    box = figure.axes[0].get_window_extent()
    scale = box.width / canvas(figure).shape[1]
    assert scale == pytest.approx(round(scale)) and round(scale) >= 2
    assert box.height / canvas(figure).shape[0] == pytest.approx(scale)
    assert box.x0 == pytest.approx(round(box.x0)) and box.y0 == pytest.approx(round(box.y0))


def test_the_saved_file_shows_the_pixels_unchanged():
    from PIL import Image

    image = random_images(1, 28, 28, dtype="uint8")
    figure = plots.sheet(image, title="A title wider than the only image")
    box = figure.axes[0].get_window_extent()
    saved = np.asarray(Image.open(png(figure)).convert("L"))
    scale = round(box.width / 28)
    top, left = round(saved.shape[0] - box.y1), round(box.x0)
    centres = np.arange(28) * scale + scale // 2
    shown = saved[top + centres][:, left + centres]
    assert np.abs(shown.astype(int) - image[0]).max() <= 1


def test_a_huge_grid_stays_within_bounds():
    figure = plots.manifold(np.zeros((100, 100, 56, 56), "uint8"))
    assert max(figure.get_size_inches() * figure.dpi) < 4100


def test_no_text_is_clipped():
    names = ["a rather long class name", "another rather long class name"]
    images = random_images(2, 8, 8)
    figure = plots.label_swaps(images, np.stack([images, images], 1), [0, 1], class_names=names)
    box, (width, height) = figure.axes[0].get_tightbbox(), figure.get_size_inches() * figure.dpi
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


def test_long_column_labels_are_turned_and_short_ones_are_not():
    images = random_images(1, 6, 28, 28)
    for names, rotation in ((list("abcdef"), 0), (["a rather long name"] * 6, 90)):
        figure = plots.label_swaps(images[0], images[[0] * 6], range(6), class_names=names)
        assert figure.axes[0].get_xticklabels()[1].get_rotation() == rotation


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 11), ["0.0", "0.1", "0.2"]),
        (np.linspace(-3, 3, 20), ["-3.00", "-2.68", "-2.37"]),
        (np.array([-1e-9, 0.5, 1.0]), ["0.0", "0.5", "1.0"]),
        (np.array([100.0, 250.0]), ["100", "250"]),
        (np.array([0.002, 0.004]), ["0.002", "0.004"]),
        (np.array([0.25]), ["0.25"]),
        (np.array([0.0]), ["0"]),
    ],
)
def test_coordinates_have_as_few_decimals_as_they_need(values, expected):
    images = random_images(1, len(values), 8, 8)
    labels = plots.traversals(images, values).axes[0].get_xticklabels()
    assert [label.get_text() for label in labels][:3] == expected


def test_drawing_leaves_no_figure_in_pyplot():
    from matplotlib import pyplot

    plots.sheet(np.zeros((4, 8, 8)))
    assert not pyplot.get_fignums()
