"""Wrong arrays raise an error that explains what is wrong."""

import numpy as np
import pytest

from keras_cvae import plots
from tests.plots.drawn import NAMES

pytestmark = pytest.mark.once

GREY = np.zeros((4, 8, 8))
GRID = np.zeros((2, 3, 8, 8))
NAN = np.full((4, 8, 8), np.nan)
IMAGE_FUNCTIONS = {
    "sheet": plots.sheet,
    "reconstructions": lambda x: plots.reconstructions(x, x),
    "class_rows": lambda x: plots.class_rows(x, [0, 1, 2, 3]),
    "label_swaps": lambda x: plots.label_swaps(x, np.zeros((4, 2, 8, 8)), [0, 1]),
}
GRID_FUNCTIONS = {
    "label_swaps": lambda x: plots.label_swaps(np.zeros((2, 8, 8)), x, [0, 1, 2]),
    "manifold": plots.manifold,
    "interpolation": plots.interpolation,
    "traversals": lambda x: plots.traversals(x, [0, 1, 2]),
}


@pytest.mark.parametrize("function", IMAGE_FUNCTIONS.values(), ids=IMAGE_FUNCTIONS)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 784)), r"shape \(N, H, W\[, C\]\); reshape vectors.*\(4, 784\)"),
        (np.zeros((2, 2, 8, 8, 1)), r"Received: shape \(2, 2, 8, 8, 1\)"),
        (np.zeros((4, 8, 8, 2)), r"1 or 3 channels. Received: shape \(4, 8, 8, 2\)"),
        (np.zeros((0, 8, 8)), r"must not be empty. Received: shape \(0, 8, 8\)"),
        (np.zeros((4, 0, 8)), r"must not be empty"),
        (GREY + 2, r"\[0, 1\].*Received: float64 values from 2 to 2"),
        (GREY - 1e-3, r"\[0, 1\].*from -0.001 to"),
        (np.full((4, 8, 8), 255), r"must be uint8, or.*Received: int64 values"),
        (NAN, r"without NaN. Received: float64 values from nan"),
        (NAN + np.inf, r"without NaN"),
        ([[[0.0, 1.0], [0.0]]], r"array of numbers. Received: list"),
        ("digits.png", r"array of numbers. Received: str"),
    ],
)
def test_wrong_images_raise_an_error(function, images, message):
    with pytest.raises(ValueError, match=f"`x` .*{message}"):
        function(images)


@pytest.mark.parametrize("function", GRID_FUNCTIONS.values(), ids=GRID_FUNCTIONS)
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (GREY, r"H, W\[, C\]\).*Received: shape \(4, 8, 8\)"),
        (GRID[..., None].repeat(4, -1), r"1 or 3 channels"),
        (GRID[:, :0], r"must not be empty"),
        (GRID + np.nan, r"without NaN"),
        (GRID + 1.5, r"\[0, 1\]"),
    ],
)
def test_wrong_grids_of_images_raise_an_error(function, images, message):
    with pytest.raises(ValueError, match=message):
        function(images)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.reconstructions(GREY, GREY[:3]), r"`reconstructed` must be of shape \(4, 8"),
        (
            lambda: plots.reconstructions(GREY, GREY, y=[1]),
            r"`y` .*shape \(4,\)",
        ),
        (
            lambda: plots.reconstructions(GREY, GREY, max_images=0),
            r"`max_images` must be .*at le",
        ),
        (
            lambda: plots.sheet(GREY, columns=0),
            r"`columns` .*at least 1. Received: 0",
        ),
        (
            lambda: plots.class_rows(GREY, [0, 1]),
            r"`y` .*shape \(4,\).*shape \(2,\)",
        ),
        (lambda: plots.class_rows(GREY, [0.0] * 4), r"`y` must be .* of integers.*float64"),
        (
            lambda: plots.class_rows(GREY, [-2, 0, 0, 0]),
            r"-1 \(unlabelled\) and any class.*from -2",
        ),
        (
            lambda: plots.class_rows(GREY, [0, 1, 2, 3], class_names=NAMES),
            r"`y` must be between -1 \(unlabelled\) and 2.*Received: labels from 0 to 3",
        ),
        (lambda: plots.class_rows(GREY, [0] * 4, columns=-1), r"`columns` must be .* at least 1"),
        (
            lambda: plots.label_swaps(GREY, GRID, [0, 1, 2]),
            r"`swapped` must be of shape \(4, any, 8",
        ),
        (lambda: plots.label_swaps(GREY[:2], GRID, [0, 1]), r"`as_y` .*shape \(3,\)"),
        (lambda: plots.manifold(GRID, x=[0, 1]), r"`x` .*shape \(3,\)"),
        (lambda: plots.manifold(GRID, y=[0, 1, 2]), r"`y` .*shape \(2,\)"),
        (lambda: plots.manifold(GRID, y=[0, np.nan]), r"`y` must be .*finite.*NaN or inf"),
        (
            lambda: plots.interpolation(GRID, row_labels=["a"]),
            r"`row_labels` .* the 2 rows.*\['a'\]",
        ),
        (lambda: plots.traversals(GRID, [0, 1]), r"`values` .*shape \(3,\)"),
        (lambda: plots.traversals(GRID, [0, 1, 2], dims=[0]), r"`dims` .*shape \(2,\)"),
        (
            lambda: plots.traversals(GRID, [0, 1, 2], dims=[0.5, 1]),
            r"`dims` must be .*integers",
        ),
        (lambda: plots.latent_scatter(np.zeros(5)), r"`z` must be .* of shape \(any, any\)"),
        (lambda: plots.latent_scatter(np.zeros((5, 1))), r"`z` must have at least two latent dim"),
        (lambda: plots.latent_scatter(np.zeros((0, 2))), r"`z` must be a non-empty array"),
        (
            lambda: plots.latent_scatter(np.full((5, 2), np.inf)),
            r"`z` must be .*finite.*NaN",
        ),
        (
            lambda: plots.latent_scatter(np.zeros((5, 2)), [0, 1]),
            r"`y` .*shape \(5,\)",
        ),
    ],
)
def test_arguments_that_do_not_match_raise_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()
