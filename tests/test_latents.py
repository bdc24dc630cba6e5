"""Grids, paths and traversals, and errors for invalid ones."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy.stats import norm

from keras_cvae import latents, plots

pytestmark = pytest.mark.once

floats = st.floats(-10, 10, width=32)
vectors = arrays.arrays("float32", st.integers(1, 8), elements=floats)


@st.composite
def pairs(draw):
    start = draw(vectors)
    return start, draw(arrays.arrays("float32", start.shape, elements=floats))


# Grids


def test_grid_lies_on_the_quantiles():
    z, coordinates = latents.grid(5, 2)
    assert z.dtype == coordinates.dtype == np.float32
    expected = norm.ppf(np.linspace(0.05, 0.95, 5))
    np.testing.assert_allclose(coordinates, expected, rtol=1e-6, atol=1e-7)
    rows = z.reshape(5, 5, 2)
    np.testing.assert_allclose(rows[2, :, 0], expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(rows[:, 2, 1], expected, rtol=1e-6, atol=1e-7)


def test_grid_suits_the_manifold():
    z, coordinates = latents.grid(3, 2, low=0.1, high=0.9)
    images = np.broadcast_to(norm.cdf(z[:, 0]).reshape(3, 3, 1, 1), (3, 3, 8, 8))
    (axes,) = plots.manifold(images, x=coordinates, y=coordinates).axes
    canvas = np.asarray(axes.get_images()[0].get_array())
    np.testing.assert_allclose(canvas[4, [4, 12, 20]], [0.1, 0.5, 0.9], atol=1e-6)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["-1.3", "0.0", "1.3"]


@given(count=st.integers(2, 6), latent_dim=st.integers(2, 6), data=st.data())
@settings(deadline=None, max_examples=25)
def test_grid_axes_and_center(count, latent_dim, data):
    dims = st.lists(st.integers(0, latent_dim - 1), min_size=2, max_size=2, unique=True)
    axes = data.draw(dims)
    center = data.draw(arrays.arrays("float32", latent_dim, elements=floats))
    z, coordinates = latents.grid(count, latent_dim, axes, center=center)
    assert z.shape == (count**2, latent_dim)
    moved = np.delete(z - center, axes, axis=1)
    np.testing.assert_array_equal(moved, 0)
    for i in range(count):
        for j in range(count):
            place = z[i * count + j] - center
            np.testing.assert_allclose(place[axes], coordinates[[j, i]], atol=2e-6)


def test_grid_along_directions():
    directions = np.array([[1.0, 1, 0], [0, 0, 2]])
    z, x = latents.grid(4, 3, center=[1, 2, 3], directions=directions)
    expected = [[1 + x[j], 2 + x[j], 3 + 2 * x[i]] for i in range(4) for j in range(4)]
    np.testing.assert_allclose(z, expected, rtol=1e-6)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (dict(count=1), "`count` must be an integer of at least 2. Received: 1"),
        (dict(count=2.5), "`count`.*2.5"),
        (dict(latent_dim=0), "`latent_dim`"),
        (dict(latent_dim=1), "`axes` must be 2 different dimensions of z, in 0..0"),
        (dict(axes=(1, 1)), "`axes` must be 2 different"),
        (dict(axes=(0, 2)), r"in 0..1. Received: \(0, 2\)"),
        (dict(axes=(0, -1)), "`axes`"),
        (dict(axes=(0, 1.0)), "`axes`"),
        (dict(axes=(0,)), "`axes`"),
        (dict(axes=0), "`axes`"),
        (dict(low=0), "0 < low < high < 1. Received: low=0, high=0.95"),
        (dict(high=1), "`high`"),
        (dict(low=0.9, high=0.1), "`low`"),
        (dict(low=float("nan")), "`low`"),
        (dict(center=[0]), r"`center` must be .* of shape \(2,\). Received: shape \(1,\)"),
        (dict(center=["a", "b"]), "`center` must be .*array of finite numbers.*Received: list"),
        (dict(center=[0, np.nan]), "`center` must be .*finite.*Received: NaN or infinite values"),
        (dict(directions=[0, 1]), r"`directions` must be .* of shape \(2, 2\)"),
        (dict(directions=np.eye(3)[:2]), "`directions`"),
    ],
)
def test_invalid_grids_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        latents.grid(**arguments)


# Paths


@given(pairs(), st.integers(2, 12), st.booleans())
@settings(deadline=None)
def test_paths_keep_their_ends(pair, steps, spherical):
    start, end = pair
    path = latents.interpolate(start, end, steps, spherical=spherical)
    assert path.shape == (steps, len(start)) and path.dtype == np.float32
    np.testing.assert_array_equal(path[0], start)
    np.testing.assert_array_equal(path[-1], end)
    assert np.isfinite(path).all()


@given(pairs(), st.integers(2, 12))
@settings(deadline=None)
def test_straight_paths_go_in_equal_steps(pair, steps):
    path = latents.interpolate(*pair, steps)
    t = np.arange(steps)[:, None] / (steps - 1)
    np.testing.assert_allclose(path, pair[0] + t * (pair[1] - pair[0]), atol=1e-5)


@given(pairs(), st.floats(0.125, 100, width=32))
@settings(deadline=None)
def test_spherical_paths_keep_norm_and_angular_speed(pair, radius):
    a, b = (vector.astype("float64") for vector in pair)
    assume(min(np.linalg.norm(a), np.linalg.norm(b)) > 0.1)
    a, b = (radius * vector / np.linalg.norm(vector) for vector in (a, b))
    angle = np.arccos(np.clip(a @ b / radius**2, -1, 1))
    assume(0.01 < angle < np.pi - 0.01)
    path = latents.interpolate(a, b, 9, spherical=True).astype("float64") / radius
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 1, rtol=1e-5)
    turned = 2 * np.arcsin(np.linalg.norm(np.diff(path, axis=0), axis=1) / 2)
    np.testing.assert_allclose(turned, angle / 8, atol=1e-5)


@pytest.mark.parametrize("scale", [2.0, 1.0, 0.0, -1.0, -2.0])
def test_spherical_paths_are_straight_where_no_plane_is_defined(scale):
    start = np.random.default_rng(0).normal(size=64).astype("float32")
    for a, b in ((start, scale * start), (scale * start, start)):
        path = latents.interpolate(a, b, 7, spherical=True)
        np.testing.assert_allclose(path, latents.interpolate(a, b, 7), atol=1e-6)
        assert np.linalg.norm(path, axis=1).max() <= 1e-4 + 2 * np.linalg.norm(start)


@pytest.mark.parametrize("spherical", [False, True])
def test_a_batch_of_paths_equals_single_paths(spherical):
    start, end = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    start[0], end[1] = 0, -start[1]  # beside ones that turn
    paths = latents.interpolate(start, end, 5, spherical=spherical)
    assert paths.shape == (4, 5, 3)
    for path, a, b in zip(paths, start, end, strict=True):
        np.testing.assert_allclose(
            path, latents.interpolate(a, b, 5, spherical=spherical), atol=1e-7
        )


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0.0, 1.0), r"`start` must be of shape \(latent_dim,\) or \(n, latent_dim\)"),
        ((np.zeros((1, 1, 1)), [0]), r"`start`.*Received: shape \(1, 1, 1\)"),
        (([], []), "`start`"),
        (([0, 1], [0]), r"`end` must be .* of shape \(2,\). Received: shape \(1,\)"),
        ((np.zeros((2, 3)), np.zeros(3)), "`end`"),
        (([0, 1], [0, np.inf]), "`end` must be .*finite.*Received: NaN"),
        (([0], [1], 1), "`steps` must be an integer of at least 2. Received: 1"),
    ],
)
def test_invalid_paths_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        latents.interpolate(*arguments)


# Traversals


@given(vectors, arrays.arrays("float32", st.integers(1, 5), elements=floats), st.data())
@settings(deadline=None)
def test_traversals_change_one_dimension_at_a_time(center, values, data):
    every = list(range(len(center)))
    subsets = st.lists(st.sampled_from(every), min_size=1, unique=True)
    dims = data.draw(st.none() | subsets)
    z = latents.traverse(center, values, dims)
    dims = every if dims is None else dims
    assert z.shape == (len(dims), len(values), len(center)) and z.dtype == np.float32
    for row, dim in zip(z, dims, strict=True):
        np.testing.assert_array_equal(row[:, dim], values)
        others = np.delete(row, dim, axis=1)
        np.testing.assert_array_equal(others, np.tile(np.delete(center, dim), (len(values), 1)))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((0.0, [1]), r"`center` must be .* of shape \(any,\). Received: shape \(\)"),
        (([[0.0]], [1]), "`center`"),
        (([0.0], 1), "`values`"),
        (([0.0], []), "`values`"),
        (([0.0], [np.nan]), "`values` must be .*finite.*Received: NaN"),
        (([0.0], [1], [1]), r"`dims` must be some different dimensions of z, in 0..0"),
        (([0.0, 0.0], [1], [1, 1]), "`dims`"),
        (([0.0], [1], []), "`dims`"),
    ],
)
def test_invalid_traversals_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        latents.traverse(*arguments)
