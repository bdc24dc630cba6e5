"""What the pictures show: pixels where they belong, labels beside them, wrong arrays refused."""

import io
import subprocess
import sys

import numpy as np
import pytest

from keras_cvae import plots

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


# Grids


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
    figure = plots.reconstructions(images, reconstructed, labels=labels, class_names=NAMES)
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
    figure = plots.reconstructions(images, images, labels=np.arange(20), max_images=4)
    assert list(ticks(figure.axes[0].xaxis)) == ["0", "1", "2", "3"]


@shapes
def test_class_rows_has_a_row_a_class_and_the_unlabelled_last(shape):
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


# Layout


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


# Curves


HISTORY = {
    "loss": [3.0, 2.0, 1.5],
    "kl": [1.0, 0.5, 0.25],
    "reconstruction": [2.0, 1.5, 1.25],
    "val_loss": [3.5, 2.5, 2.0],
    "learning_rate": [1e-3, 1e-4, 1e-5],
}


def test_loss_curves_show_each_term_once():
    figure = plots.loss_curves(HISTORY, title="Run")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "reconstruction", "kl"]
    curves = {
        (axes.get_title(), line.get_label()): line for axes in figure.axes for line in axes.lines
    }
    assert {key: list(line.get_ydata()) for key, line in curves.items()} == {
        ("loss", "training"): HISTORY["loss"],
        ("loss", "validation"): HISTORY["val_loss"],
        ("reconstruction", "training"): HISTORY["reconstruction"],
        ("kl", "training"): HISTORY["kl"],
    }
    for line in curves.values():
        assert list(line.get_xdata()) == [1, 2, 3]
    for axes in figure.axes:
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "nats per image")
        assert axes.get_legend() is not None
    assert figure.get_suptitle() == "Run"
    png(figure)


@pytest.mark.parametrize("epochs", [1, 2, 3, 30])
def test_epochs_are_whole_numbers(epochs):
    figure = plots.loss_curves({"val_classification": [1.0] * epochs})
    low, high = figure.axes[0].get_xlim()
    shown = [tick for tick in figure.axes[0].get_xticks() if low <= tick <= high]
    assert shown and all(tick == int(tick) >= 1 for tick in shown)


def test_a_diverged_run_can_still_be_drawn():
    png(plots.loss_curves({"loss": [1.0, float("inf"), float("nan")]}))


@pytest.mark.parametrize(
    "history",
    [{}, {"accuracy": [1.0]}, {"loss": []}, {"loss": [2.0, 1.0], "val_loss": [2.0]}],
)
def test_loss_curves_refuse_a_history_without_aligned_terms(history):
    with pytest.raises(ValueError, match=r"`history` must hold one value an epoch.*Received:"):
        plots.loss_curves(history)


# Latent space


def colour_bar(figure):
    axes = figure.axes[1]
    return [label.get_text() for label in axes.get_yticklabels()], axes.get_yticks()


def test_two_latent_dimensions_are_drawn_as_they_are():
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


def test_a_class_has_its_own_colour_whichever_others_are_there():
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


# What is refused


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
def test_wrong_images_are_refused(function, images, message):
    with pytest.raises(ValueError, match=f"`images` .*{message}"):
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
def test_wrong_grids_of_images_are_refused(function, images, message):
    with pytest.raises(ValueError, match=message):
        function(images)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: plots.reconstructions(GREY, GREY[:3]), r"`reconstructed` must have shape \(4, 8"),
        (lambda: plots.reconstructions(GREY, GREY, labels=[1]), r"`labels` must have shape \(4\)"),
        (lambda: plots.reconstructions(GREY, GREY, max_images=0), r"`max_images` must be at le"),
        (lambda: plots.sheet(GREY, columns=0), r"`columns` must be at least 1. Received: 0"),
        (lambda: plots.class_rows(GREY, [0, 1]), r"`labels` must have shape \(4\).*shape \(2,\)"),
        (lambda: plots.class_rows(GREY, [0.0] * 4), r"`labels` must be integers.*float64"),
        (
            lambda: plots.class_rows(GREY, [-2, 0, 0, 0]),
            r"-1 \(unlabelled\) and any class.*from -2",
        ),
        (
            lambda: plots.class_rows(GREY, [0, 1, 2, 3], class_names=NAMES),
            r"`labels` must lie between -1 \(unlabelled\) and 2.*Received: labels from 0 to 3",
        ),
        (lambda: plots.class_rows(GREY, [0] * 4, columns=-1), r"`columns` must be at least 1"),
        (
            lambda: plots.label_swaps(GREY, GRID, [0, 1, 2]),
            r"`swapped` must have shape \(4, any, 8",
        ),
        (lambda: plots.label_swaps(GREY[:2], GRID, [0, 1]), r"`labels` must have shape \(3\)"),
        (lambda: plots.manifold(GRID, x=[0, 1]), r"`x` must have shape \(3\)"),
        (lambda: plots.manifold(GRID, y=[0, 1, 2]), r"`y` must have shape \(2\)"),
        (lambda: plots.manifold(GRID, y=[0, np.nan]), r"`y` must be finite"),
        (
            lambda: plots.interpolation(GRID, row_labels=["a"]),
            r"`row_labels` .* the 2 rows.*\['a'\]",
        ),
        (lambda: plots.traversals(GRID, [0, 1]), r"`values` must have shape \(3\)"),
        (lambda: plots.traversals(GRID, [0, 1, 2], dims=[0]), r"`dims` must have shape \(2\)"),
        (lambda: plots.traversals(GRID, [0, 1, 2], dims=[0.5, 1]), r"`dims` must be integers"),
        (lambda: plots.latent_scatter(np.zeros(5)), r"`z` must have shape \(any, any\)"),
        (lambda: plots.latent_scatter(np.zeros((5, 1))), r"`z` must have at least two latent dim"),
        (lambda: plots.latent_scatter(np.zeros((0, 2))), r"`z` must not be empty"),
        (lambda: plots.latent_scatter(np.full((5, 2), np.inf)), r"`z` must be finite"),
        (lambda: plots.latent_scatter(np.zeros((5, 2)), [0, 1]), r"`labels` must have shape \(5\)"),
    ],
)
def test_arguments_that_do_not_match_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Imports


def test_importing_the_module_does_not_import_matplotlib():
    # Loaded by itself, because Keras imports matplotlib for its own plots.
    code = "import runpy, sys; runpy.run_path(sys.argv[1]); sys.exit('matplotlib' in sys.modules)"
    subprocess.run([sys.executable, "-c", code, plots.__file__], check=True)


def test_drawing_leaves_no_figure_in_pyplot():
    from matplotlib import pyplot

    plots.sheet(GREY)
    assert not pyplot.get_fignums()
