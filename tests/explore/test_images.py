"""Results of the page of images, compared with methods of the model."""

import numpy as np
import pytest

from keras_cvae import conditions
from keras_cvae.explore.images import ImageExplorer
from tests.explore import made

pytestmark = [pytest.mark.once, pytest.mark.usefixtures("uncompiled")]


@pytest.fixture(scope="module")
def explorer():
    return ImageExplorer(made.images())


def test_one_style_as_every_class(explorer):
    noise = explorer.sample(1)
    images, captions, place = explorer.in_one_style(noise, [2])
    assert captions == ["cat", "dog", "owl"] and place == 2
    expected = explorer.model.generate([0, 1, 2], noise=np.tile(noise, (3, 1)))
    np.testing.assert_allclose(images, expected, rtol=1e-5)
    colder, _, _ = explorer.in_one_style(noise, [2], 0.0)
    middle, _, _ = explorer.in_one_style(0 * noise, [2])
    np.testing.assert_allclose(colder, middle, rtol=1e-5)
    assert np.abs(colder - images).max() > 0.01


def test_a_drawing_is_encoded_as_its_style(explorer):
    x, values = explorer.example(4)
    assert values == [explorer.run.dataset.y_test[4]]
    images, _, place = explorer.in_one_style(explorer.noise_of(x, values), values)
    np.testing.assert_allclose(
        images[place], explorer.model.reconstruct(x[None], [*map(int, values)])[0], rtol=1e-4
    )
    label, probability = explorer.classify(x)
    assert label in (0, 1, 2) and 1 / 3 <= probability <= 1
    with pytest.raises(ValueError, match="below the number of test images, 10. Received: 10"):
        explorer.example(10)


def test_a_path_ends_at_both_styles(explorer):
    first, second = explorer.sample(1), explorer.sample(2)
    path = explorer.path(first, second, [1], position=1.0, steps=5)
    ends = explorer.images(np.stack([first, second]), [[1], [1]])
    np.testing.assert_allclose(path[[0, 4]], ends, rtol=1e-4)
    np.testing.assert_allclose(path[5], ends[1], rtol=1e-4)


def test_active_dimensions_most_active_first(explorer):
    x, y, _ = explorer.run.test_images()
    variance = explorer.model.noise_of(x, y).var(0)
    assert explorer.active == [i for i in np.argsort(-variance) if variance[i] > 0.01]


def test_the_nearest_training_images(explorer):
    images, labels = explorer.nearest(explorer.run.dataset.x_train[7], 3)
    np.testing.assert_allclose(images[0], explorer.run.dataset.x_train[7], rtol=1e-5)
    apart = np.square(images - images[0]).sum((1, 2, 3))
    assert labels[0] == 7 % 3 and apart[1] <= apart[2]
    assert explorer.background == 0.0


def test_attributes_vary_one_at_a_time():
    place = conditions.Vector(1, mean=0.0, variance=1.0)
    condition = conditions.Attributes(hand=["left", "right"], place=place)
    explorer = ImageExplorer(made.images(condition))
    captions, rows, at = explorer.variants([1, 0.5])
    assert at == 1 and captions[:2] == ["left", "right"] and len(rows) == 7
    assert rows[1] == [1, 0.5] and rows[2] == [1, -2.0]
    captions, rows, at = explorer.variants([-1, 0.5])
    assert at == 0 and captions[0] == "as set" and rows[0] == [-1, 0.5]
    images, _, _ = explorer.in_one_style(explorer.sample(0), [1, 0.5])
    assert len(images) == 7 and np.abs(images[2] - images[6]).max() > 0.01


def test_vectors_without_a_condition_keep_their_units():
    run = made.images(None, (5,), likelihood="gaussian")
    run.dataset = run.dataset._replace(x_train=run.dataset.x_train * 10 + 20)
    explorer = ImageExplorer(run)
    assert explorer.controls == [] and explorer.classify(run.dataset.x_train[0]) is None
    images, captions, place = explorer.in_one_style(explorer.sample(0), [])
    np.testing.assert_allclose(
        images, run.model.generate(noise=explorer.sample(0)[None]), rtol=1e-5
    )
    assert captions == [""] and place == 0
    low, high = explorer.range
    assert 18 < low < 21 and 29 < high < 32
    near, labels = explorer.nearest(run.dataset.x_train[3])
    assert labels is None and np.allclose(near[0], run.dataset.x_train[3])


def test_a_plane_is_of_images_at_its_places(explorer):
    noise = explorer.sample(1)
    plane = explorer.plane(noise, [2, 0], 3.0, [1])
    assert plane.shape == (9 * 6, 9 * 5, 1)
    middle = noise.copy()
    middle[[2, 0]] = 0
    left_at_top = noise.copy()
    left_at_top[[2, 0]] = -8 / 3, 8 / 3
    expected = explorer.images(np.stack([middle, left_at_top]), [[1], [1]])
    np.testing.assert_allclose(plane[24:30, 20:25], expected[0], rtol=1e-5)
    np.testing.assert_allclose(plane[:6, :5], expected[1], rtol=1e-5)
