"""Manifolds, paths and points: where they lie, and what is written beside them."""

import numpy as np
import pytest

from keras_cvae import plots
from tests.plots.drawn import NAMES, assert_tile, canvas, png, random_images, shapes, ticks

pytestmark = pytest.mark.once


@shapes
def test_manifold_is_seamless_with_y_upwards_and_ticks_at_the_centres(shape):
    images = random_images(3, 4, *shape)
    figure = plots.manifold(images, x=[-1.5, -0.5, 0.5, 1.5], y=[-1, 0, 1])
    height, width = shape[:2]
    assert canvas(figure).shape[:2] == (3 * height, 4 * width)
    for i in range(3):
        for j in range(4):
            assert_tile(figure, 2 - i, j, images[i, j], seamless=True)
    axes = figure.axes[0]
    x, y = ticks(axes.xaxis), ticks(axes.yaxis)
    assert x == {
        n: j * width + (width - 1) / 2 for j, n in enumerate(["-1.5", "-0.5", "0.5", "1.5"])
    }
    assert y == {n: i * height + (height - 1) / 2 for i, n in enumerate(["1", "0", "-1"])}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z[0]", "z[1]")
    png(figure)


def test_manifold_axes_can_be_named_or_left_without_ticks():
    figure = plots.manifold(random_images(2, 2, 8, 8), axis_names=("z[3]", "PC 2"), title=None)
    axes = figure.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("z[3]", "PC 2")
    assert not ticks(axes.xaxis) and not ticks(axes.yaxis) and axes.get_title() == ""


@shapes
def test_interpolation_labels_positions_from_zero_to_one(shape):
    images = random_images(2, 5, *shape)
    figure = plots.interpolation(images, row_labels=np.array(["3", "3 to 5"]))
    for i in range(2):
        for j in range(5):
            assert_tile(figure, i, j, images[i, j])
    axes = figure.axes[0]
    assert list(ticks(axes.xaxis)) == ["0.00", "0.25", "0.50", "0.75", "1.00"]
    assert list(ticks(axes.yaxis)) == ["3", "3 to 5"]
    png(figure)


@shapes
def test_traversals_label_dimensions_and_values(shape):
    images = random_images(2, 3, *shape)
    figure = plots.traversals(images, [-3, 0, 3], dims=[7, 2])
    assert_tile(figure, 1, 2, images[1, 2])
    axes = figure.axes[0]
    assert list(ticks(axes.yaxis)) == ["z[7]", "z[2]"]
    assert list(ticks(axes.xaxis)) == ["-3", "0", "3"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent value", "latent dimension")
    assert list(ticks(plots.traversals(images, [-3, 0, 3]).axes[0].yaxis)) == ["z[0]", "z[1]"]
    png(figure)


def colour_bar(figure):
    axes = figure.axes[1]
    return [label.get_text() for label in axes.get_yticklabels()], axes.get_yticks()


def test_two_latent_dimensions_are_plotted_unchanged():
    z = np.random.default_rng(0).normal(size=(50, 2))
    labels = np.arange(50) % 3
    figure = plots.latent_scatter(z, labels, class_names=NAMES)
    (points,) = figure.axes[0].collections
    np.testing.assert_array_equal(points.get_offsets(), z)
    np.testing.assert_array_equal(points.get_array(), labels)
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()) == ("z[0]", "z[1]")
    assert figure.axes[0].get_aspect() == 1.0
    names, positions = colour_bar(figure)
    assert names == list(NAMES) and list(positions) == [0, 1, 2]
    png(figure)


def test_the_colour_of_a_class_does_not_depend_on_other_classes():
    z = np.random.default_rng(0).normal(size=(4, 2))

    def colour_of_class_1(labels):
        (points,) = plots.latent_scatter(z, labels, class_names=NAMES).axes[0].collections
        return points.to_rgba(1.0)

    assert colour_of_class_1([0, 1, 2, 2]) == colour_of_class_1([1, 1, -1, -1])


def test_unlabelled_points_are_named():
    z = np.zeros((3, 2))
    assert colour_bar(plots.latent_scatter(z, [-1, 0, 2]))[0] == ["unlabelled", "0", "1", "2"]
    figure = plots.latent_scatter(z, [-1, -1, -1])
    assert colour_bar(figure)[0] == ["unlabelled"]
    png(figure)


def test_many_classes_get_different_colours_and_a_readable_bar():
    z = np.random.default_rng(0).normal(size=(200, 2))
    figure = plots.latent_scatter(z, np.arange(200) % 100)
    (points,) = figure.axes[0].collections
    assert len({points.to_rgba(float(label)) for label in range(100)}) == 100
    assert colour_bar(figure)[0] == [str(label) for label in range(0, 100, 4)]
    png(figure)


def test_without_labels_there_is_no_colour_bar():
    figure = plots.latent_scatter(np.zeros((5, 2)))
    assert len(figure.axes) == 1
    png(figure)


def test_more_dimensions_are_projected_on_the_principal_components():
    from sklearn.decomposition import PCA

    rng = np.random.default_rng(0)
    z = rng.normal(size=(300, 6)) * [5.0, 0.1, 3.0, 0.2, 0.3, 0.1] @ rng.normal(size=(6, 6)) + 7.0
    figure = plots.latent_scatter(z)
    pca = PCA(2).fit(z)
    (points,) = figure.axes[0].collections
    np.testing.assert_allclose(np.abs(points.get_offsets()), np.abs(pca.transform(z)), atol=1e-8)
    labels = (figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel())
    shares = pca.explained_variance_ratio_
    assert labels == tuple(f"PC {i + 1} ({shares[i]:.0%} of variance)" for i in range(2))


@pytest.mark.parametrize("count", [1, 10])
def test_collapsed_latent_vectors_explain_nothing(count):
    figure = plots.latent_scatter(np.ones((count, 3)))
    assert figure.axes[0].get_xlabel() == "PC 1 (0% of variance)"
