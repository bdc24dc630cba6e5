"""Computations of the page of a run of images or vectors: arrays in, arrays out."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np

from keras_cvae import evaluation, latents
from keras_cvae.checks import require
from keras_cvae.data import splitting
from keras_cvae.evaluation import neighbours
from keras_cvae.explore import controls
from keras_cvae.runs import pictures
from keras_cvae.runs.reading import Run

MOST = 2000  # test images for the variance of each latent dimension
MOST_CLASSES = 100  # classes among which `classify` chooses
PLANE = 9  # images along each side of a plane
SAMPLES = 4  # samples of z for each class
FINE = 201  # positions on a path
CALLS = 3  # calls after which a function is compiled on every backend
MOST_SCALED = 8192  # training vectors for the standard deviation of each number

Values = Sequence[float]


def active_dimensions(cvae, x, y) -> list[int]:
    """Returns the dimensions of the noise that are in use, most active first.

    They are those whose encodings vary over examples.

    Args:
        cvae: A `CVAE`.
        x: Examples, as for `CVAE.noise_of`.
        y: As for `CVAE.noise_of`.
    """
    return evaluation.latent_use.by_use(cvae.noise_of(x, y).astype("float64").var(0))


class ImageExplorer:
    """Computes what the page of a run of images or vectors shows.

    The style of an image is its noise, a vector that the prior transports to z: equal noise under
    other classes gives images of the same style. Under the prior N(0, I) it is z itself.

    Args:
        run: An `ImageRun`.

    Attributes:
        controls: The `Control`s of the condition.

    Raises:
        ValueError: If the condition has a part that no control can set, such as an image.
    """

    def __init__(self, run: Run):
        self.run = run
        self.model = run.model
        self.controls = controls.of(run.model.condition, run.class_names)

    @property
    def is_vector(self) -> bool:
        """Whether the examples are vectors, drawn as profiles."""
        return len(self.model.image_shape) == 1

    @property
    def start(self) -> list[float]:
        """The initial values of the controls."""
        return [control.start for control in self.controls]

    @functools.cached_property
    def active(self) -> list[int]:
        """The latent dimensions that are in use, most active first."""
        x, y, _ = self.run.test_images(count=MOST)
        return active_dimensions(self.model, x, self.model.y_of_class(y))

    def sample(self, seed: int) -> np.ndarray:
        """Returns noise of shape `(latent_dim,)`."""
        rng = np.random.default_rng(seed)
        return rng.standard_normal(self.model.latent_dim).astype("float32")

    def images(self, noise, rows: Sequence[Values], temperature: float = 1.0) -> np.ndarray:
        """Generates images in [0, 1], or vectors in their units.

        Args:
            noise: Array of shape `(count, latent_dim)`.
            rows: For each image, the values of the controls.
            temperature: Scales the spread of z.

        Returns:
            Array of shape `(count, *image_shape)`.
        """
        y = controls.to_y(self.model.condition, rows)
        x = self.model.generate(y, noise=noise, count=len(noise), temperature=temperature)
        return self.drawable(x)

    def drawable(self, x) -> np.ndarray:
        """Returns images in [0, 1]; vectors as they are."""
        if self.is_vector:
            return np.asarray(x, "float32")
        x = x / np.float32(255) if x.dtype == np.uint8 else x
        return pictures.drawable(self.run, x)

    def variants(self, values: Values) -> tuple[list[str], list[Values], int]:
        """Returns values of the controls to compare: each control at several values in turn.

        Args:
            values: The values of the controls.

        Returns:
            `(captions, rows, place)`: a caption and values of the controls for each image; and the
            index of `values` among these. If they are not among them, they are put first.
        """
        captions: list[str] = []
        rows: list[Values] = []
        for place, control in enumerate(self.controls):
            for caption, value in control.variants:
                captions.append(caption)
                rows.append([*values[:place], value, *values[place + 1 :]])
        if [*values] not in rows:
            return ["as set" if rows else "", *captions], [[*values], *rows], 0
        return captions, rows, rows.index([*values])

    def in_one_style(self, noise, values: Values, temperature: float = 1.0) -> tuple:
        """Generates images of the same noise under every class, or with each control changed.

        Args:
            noise: Array of shape `(latent_dim,)`.
            values: The values of the controls.
            temperature: As for `images`.

        Returns:
            `(images, captions, place)`, the last two as from `variants`.
        """
        captions, rows, place = self.variants(values)
        noise = np.tile(np.asarray(noise, "float32"), (len(rows), 1))
        return self.images(noise, rows, temperature), captions, place

    def plane(self, noise, axes: Sequence[int], limit: float, values: Values) -> np.ndarray:
        """Generates images at even places of a plane, as one image with the greatest values at top.

        Args:
            noise: Array of shape `(latent_dim,)`; its entries of the axes are replaced.
            axes: The dimensions of the horizontal and of the vertical axis.
            limit: The plane is from -limit to limit.
            values: The values of the controls.

        Returns:
            Array of shape `(9 * H, 9 * W, C)`.
        """
        places = limit * (np.arange(PLANE) + 0.5) / PLANE * 2 - limit
        every = np.tile(np.asarray(noise, "float32"), (PLANE, PLANE, 1))
        every[:, :, axes[0]] = places
        every[:, :, axes[1]] = places[::-1, None]
        images = self.images(every.reshape(-1, every.shape[-1]), [values] * PLANE**2)
        height, width, channels = images.shape[1:]
        grid = images.reshape(PLANE, PLANE, height, width, channels).swapaxes(1, 2)
        return grid.reshape(PLANE * height, PLANE * width, channels)

    def classify(self, x) -> tuple[int, float] | None:
        """Infers the class of an image from its ELBO under each class.

        Args:
            x: An image, of shape `image_shape`.

        Returns:
            `(label, probability)`; None if y is not a class, or there are too many classes.
        """
        count = len(self.model.classes)
        if not 0 < count <= MOST_CLASSES:
            return None
        labels = np.arange(count)
        x = np.repeat(x[None], count, 0)
        elbo = evaluation.likelihood.terms(self.model, x, labels, draws=SAMPLES)["elbo"]
        probabilities = np.exp(elbo - np.logaddexp.reduce(elbo))
        return int(elbo.argmax()), float(probabilities.max())

    def noise_of(self, x, values: Values) -> np.ndarray:
        """Encodes an image as its style, of shape `(latent_dim,)`.

        Args:
            x: An image, of shape `image_shape`.
            values: The values of the controls that describe the image.
        """
        y = controls.to_y(self.model.condition, [values])
        return self.model.noise_of(x[None], y)[0]

    def path(
        self, first, second, values: Values, position: float = 0.5, steps: int = 9
    ) -> np.ndarray:
        """Generates images along the path from one style to another.

        Args:
            first: Noise of shape `(latent_dim,)`.
            second: Noise of the same shape.
            values: The values of the controls.
            position: A position on the path, in [0, 1].
            steps: The number of images of the path.

        Returns:
            Array of shape `(steps + 1, *image_shape)`: the path, then the image at the position.
        """
        path = latents.interpolate(first, second, steps, spherical=True)
        fine = latents.interpolate(first, second, FINE, spherical=True)
        noise = [*path, fine[round(position * (FINE - 1))]]
        return self.images(np.stack(noise), [values] * len(noise))

    def example(self, place: int) -> tuple[np.ndarray, list[float] | None]:
        """Returns a test image and its values of the controls, None if unknown.

        Args:
            place: Its number in the test data.

        Raises:
            ValueError: If there is no such test image.
        """
        x, y, _ = self.run.test_images(count=place + 1)
        expected = f"must be below the number of test images, {len(x)}"
        require(0 <= place < len(x), "example", expected, place)
        known = y is not None and self.model.classes and y[place] >= 0
        return x[place], [float(y[place])] if known else None

    def nearest(self, image, count: int = 6) -> tuple[np.ndarray, np.ndarray | None]:
        """Finds the training images nearest to one, by the distance of their pixels.

        Numbers of vectors are divided by their standard deviation.

        Args:
            image: An image as `images` returns it.
            count: The number of neighbours.

        Returns:
            `(images, labels)`, nearest first; the labels are None for a model without classes.
        """
        x, labels = self.run.dataset.x_train, self.run.dataset.y_train
        scale = _scale(x) if self.is_vector else 1.0
        image = image[None] / scale
        places = neighbours.nearest(image, x, count, lambda part: self.drawable(part) / scale)[0]
        known = splitting.take(labels, places) if self.model.classes else None
        return self.drawable(x[places]), known

    @functools.cached_property
    def range(self) -> tuple[float, float]:
        """The range of the vertical axis of curves: that of the training vectors, with a margin."""
        x = self.run.dataset.x_train
        low, high = (float(np.quantile(x[:MOST_SCALED], share)) for share in (0.002, 0.998))
        margin = 0.05 * (high - low) or 1.0
        return low - margin, high + margin

    @functools.cached_property
    def background(self) -> float:
        """The median grey of the edges of training images, the colour of an empty canvas."""
        x = self.drawable(self.run.dataset.x_train[:200])
        return float(np.median(np.concatenate([x[:, 0].ravel(), x[:, :, 0].ravel()])))

    def warm_up(self) -> None:
        """Compiles all computations, so that the first move of a control is answered at once."""
        values, noise = self.start, np.zeros(self.model.latent_dim, "float32")
        x, _ = self.example(0)
        for _ in range(CALLS):
            self.images(noise[None], [values])
            self.in_one_style(noise, values)
            self.path(noise, noise, values)
            if not self.is_vector and len(self.active) > 1:
                self.plane(noise, self.active[:2], 1.0, values)
            self.noise_of(x, values)
            self.classify(x)


def _scale(x):
    """Returns the standard deviation of each column, 1 where it is 0."""
    deviation = x[:MOST_SCALED].std(0)
    return np.where(deviation > 0, deviation, 1.0)
