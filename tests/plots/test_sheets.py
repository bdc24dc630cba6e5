"""Sheets of images: pixels and labels at their positions."""

import numpy as np
import pytest

from keras_cvae import plots
from tests.plots.drawn import NAMES, assert_tile, canvas, png, random_images, shapes, ticks, tile

pytestmark = pytest.mark.once


@shapes
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8"])
def test_sheet_shows_every_image_in_reading_order(shape, dtype):
    images = random_images(7, *shape, dtype=dtype)
    figure = plots.sheet(images, columns=3, title="Seven")
    expected = images / 255.0 if dtype == "uint8" else images
    for i in range(7):
        assert_tile(figure, i // 3, i % 3, expected[i])
    for i in range(7, 9):
        assert np.all(tile(figure, i // 3, i % 3, shape) == 1.0)
    assert figure.axes[0].get_title() == "Seven"
    assert canvas(figure).ndim == (3 if shape[-1] == 3 else 2)
    png(figure)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (2, 1, 2), (5, 2, 3), (9, 3, 3)])
def test_sheet_is_about_square_by_default(count, rows, columns):
    figure = plots.sheet(random_images(count, 28, 28))
    assert canvas(figure).shape == (rows * 29 - 1, columns * 29 - 1)


def test_a_gap_of_white_separates_the_images():
    shown = canvas(plots.sheet(np.zeros((4, 28, 28))))
    assert np.all(shown[28] == 1.0) and np.all(shown[:, 28] == 1.0)
    assert shown.sum() == 57 + 56


def test_binary_images_are_accepted():
    images = random_images(2, 8, 8) > 0.5
    assert_tile(plots.sheet(images), 0, 1, images[1])


def test_a_tiny_overshoot_is_clipped():
    images = np.full((1, 8, 8), 1.0 + 5e-7)
    assert canvas(plots.sheet(images)).max() == 1.0


@shapes
def test_reconstructions_are_below_their_inputs(shape):
    images, reconstructed = random_images(2, 5, *shape)
    labels = np.array([2, 0, -1, 1, 0], dtype="int32")
    figure = plots.reconstructions(images, reconstructed, y=labels, class_names=NAMES)
    for i in range(5):
        assert_tile(figure, 0, i, images[i])
        assert_tile(figure, 1, i, reconstructed[i])
    axes = figure.axes[0]
    assert list(ticks(axes.yaxis)) == ["input", "reconstruction"]
    header = [text.get_text() for text in axes.get_xticklabels()]
    assert header == ["a $ and $ b", "cat", "unlabelled", "dog", "cat"]
    assert axes.get_xlabel() == "label"
    png(figure)


def test_reconstructions_are_limited_in_number_and_labels_are_optional():
    images = random_images(20, 28, 28)
    figure = plots.reconstructions(images, images[..., None])
    assert canvas(figure).shape == (2 * 29 - 1, 16 * 29 - 1)
    assert not ticks(figure.axes[0].xaxis)
    figure = plots.reconstructions(images, images, y=np.arange(20), max_images=4)
    assert list(ticks(figure.axes[0].xaxis)) == ["0", "1", "2", "3"]


@shapes
def test_class_rows_has_one_row_per_class_and_the_unlabelled_last(shape):
    images = random_images(8, *shape)
    labels = [2, -1, 0, 2, 2, 0, 2, -1]
    figure = plots.class_rows(images, labels, class_names=NAMES, columns=3)
    for row, members in enumerate(([2, 5], [0, 3, 4], [1, 7])):
        for column, i in enumerate(members):
            assert_tile(figure, row, column, images[i])
    assert np.all(tile(figure, 0, 2, shape) == 1.0)
    axes = figure.axes[0]
    assert list(ticks(axes.yaxis)) == ["cat", "a $ and $ b", "unlabelled"]
    assert axes.get_ylabel() == "label"
    png(figure)


@shapes
def test_label_swaps_puts_the_inputs_left_of_the_swaps(shape):
    images, swapped = random_images(2, *shape), random_images(2, 3, *shape)[::-1]
    figure = plots.label_swaps(images, swapped, [1, 0, -1], class_names=NAMES)
    for i in range(2):
        assert_tile(figure, i, 0, images[i])
        for k in range(3):
            assert_tile(figure, i, k + 1, swapped[i, k])
    axes = figure.axes[0]
    assert list(ticks(axes.xaxis)) == ["input", "dog", "cat", "unlabelled"]
    png(figure)
