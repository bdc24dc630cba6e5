"""Event handlers of the page of images: from the values of components to new values."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np

from keras_cvae.explore import data_urls
from keras_cvae.explore.images import ImageExplorer

INFER = -2  # in place of a label: infer it from the image


def tile(address: str, caption: str = "", is_chosen: bool = False, is_large: bool = False) -> dict:
    """Returns a picture in a row of pictures.

    Args:
        address: Its data URL.
        caption: The text below it.
        is_chosen: Whether it has a frame.
        is_large: Whether it is large, in a row of its own.
    """
    return dict(address=address, caption=caption, is_chosen=is_chosen, is_large=is_large)


def remark(explorer) -> str:
    """Returns a sentence that explains the latents of a run, or an empty text.

    Args:
        explorer: An `ImageExplorer` or a `RowExplorer`.
    """
    if not explorer.active:
        return "No latent dimension is in use, so there is none to move: z has collapsed."
    if len(explorer.active) == 1:
        return "One latent dimension is in use: there is no plane for a pad."
    if explorer.model.prior.weights:
        return "The dimensions are those of the noise, which the fitted prior transports to z."
    return ""


class View:
    """Event handlers of a page: from the values of components to new values.

    Args:
        explorer: The computations.
    """

    def __init__(self, explorer: ImageExplorer):
        self.explorer = explorer
        self.name = Path(explorer.run.config["data"]["name"]).name

    @property
    def summary(self) -> str:
        """A sentence on the run."""
        model, active = self.explorer.model, self.explorer.active
        return (
            f"{self.explorer.run.summary()}. {len(active)} of {model.latent_dim} latent dimensions "
            "are in use."
        )

    @property
    def noise(self) -> np.ndarray:
        """The initial noise: the centre of the prior."""
        return np.zeros(self.explorer.model.latent_dim, "float32")

    def address(self, image: np.ndarray) -> str:
        """Returns the data URL of an image, or of a vector drawn as a curve."""
        if self.explorer.is_vector:
            return data_urls.profile(image, *self.explorer.range)
        return data_urls.image(image)

    def paint(self, noise, temperature, *values) -> list[dict]:
        """Returns the image, large, and below it the same style with every value of the controls.

        Args:
            noise: List of numbers, one for each latent dimension.
            temperature: As for `ImageExplorer.images`.
            *values: The values of the controls.
        """
        images, captions, place = self.explorer.in_one_style(noise, values, temperature)
        shown = [*map(self.address, images)]
        large = tile(shown[place], captions[place], is_large=True)
        if len(shown) == 1:
            return [large]
        pairs = enumerate(zip(shown, captions, strict=True))
        return [large, *(tile(*pair, is_chosen=i == place) for i, pair in pairs)]

    def map(self, noise, axes, limit, values) -> str:
        """Returns images of the places of the pad, as the data URL of one picture.

        Args:
            noise: As for `paint`; its entries of the axes are replaced.
            axes: The dimensions of the horizontal and of the vertical axis.
            limit: The pad is from -limit to limit.
            values: The values of the controls.
        """
        return data_urls.image(self.explorer.plane(noise, axes, limit, values))

    def sample(self, seed, temperature, *values) -> tuple[list[float], list[dict]]:
        """Returns the noise of a seed, and its pictures."""
        noise = self.explorer.sample(int(seed or 0)).tolist()
        return noise, self.paint(noise, temperature, *values)

    def another(self, seed, temperature, *values) -> tuple:
        """Returns the next seed, its noise and its pictures."""
        seed = int(seed or 0) + 1
        return seed, *self.sample(seed, temperature, *values)

    def encode(self, source, truth, *values) -> tuple[Any, str]:
        """Encodes a drawing, or a test vector.

        Args:
            source: The data URL of the drawing, or the number of the test vector.
            truth: Its label, or `INFER`.
            *values: The values of the controls, for a model without classes.

        Returns:
            `(style, sentence)`: the style is `(noise, values)`, None if nothing is drawn.
        """
        if source in ("", None):
            return None, ""
        x, sentence = self._example(source), ""
        if self.explorer.model.classes:
            values = [INFER if truth is None else int(truth)]
            if values == [INFER]:
                values, sentence = self._classify(x)
        noise = self.explorer.noise_of(x, values)
        return (noise.tolist(), [*values]), sentence

    def draw(self, source, truth, *values) -> tuple | None:
        """Encodes a drawing and sets the page to its style.

        Args:
            source: As for `encode`.
            truth: As for `encode`.
            *values: As for `encode`.

        Returns:
            `(style, sentence, noise, temperature, *values, pictures)`; None if nothing is drawn.
        """
        style, sentence = self.encode(source, truth, *values)
        if style is None:
            return None
        noise, values = style
        return style, sentence, noise, 1.0, *values, self.paint(noise, 1.0, *values)

    def path(self, position, first, second) -> tuple[list, list, list]:
        """Returns the image at a position between two styles, and the whole path.

        Args:
            position: From 0, the first, to 1, the second.
            first: A style, as `encode` returns it, or None.
            second: Another.

        Returns:
            Three lists of pictures: the one at the position; the path with the control values of
            the first; and with those of the second, if these differ.
        """
        if first is None or second is None:
            return [], [], []
        (start, values), (end, others) = first, second
        show = functools.partial(self._along, np.float32(start), np.float32(end), position)
        one, large = show(values)
        two, _ = show(others) if others != values else ([], None)
        if two and position >= 0.5:
            _, large = show(others)
        return [large], one, two

    def nearest(self, noise, temperature, *values) -> list[dict]:
        """Returns the image, and the training images that are nearest to it."""
        image = self.explorer.images(np.array([noise], "float32"), [values], temperature)[0]
        others, labels = self.explorer.nearest(image)
        names = self.explorer.run.class_names
        captions = ["" if labels is None or y < 0 else names[y] for y in _each(labels, others)]
        shown = zip(map(self.address, others), captions, strict=True)
        return [
            tile(self.address(image), "sample", is_chosen=True),
            *(tile(*pair) for pair in shown),
        ]

    def save(self, noise, temperature, *values) -> dict:
        """Returns a PNG of the pictures, as a data URL, and a name for the file."""
        images, captions, _ = self.explorer.in_one_style(noise, values, temperature)
        drawn = data_urls.figure(images, captions, self.explorer.is_vector)
        return {"address": data_urls.png(drawn), "name": f"{Path(self.name).stem}.png"}

    def take(self, number) -> tuple[str, int]:
        """Returns the data URL of a test image, in place of a drawing, and its label or `INFER`."""
        x, values = self.explorer.example(int(number or 0))
        return self.address(self.explorer.drawable(x[None])[0]), int(values[0]) if values else INFER

    def _example(self, source):
        if self.explorer.is_vector:
            return self.explorer.example(int(source))[0]
        return data_urls.pixels(source, self.explorer.model.image_shape)

    def _classify(self, x):
        result = self.explorer.classify(x)
        if result is None:
            return self.explorer.start, "There are too many classes to recognize it: choose one."
        label, probability = result
        return [label], f"Recognized as {self.explorer.run.class_names[label]} ({probability:.0%})."

    def _along(self, start, end, position, values, steps=9):
        images = self.explorer.path(start, end, values, position, steps)
        caption = self._caption(values)
        *path, large = map(self.address, images)
        shares = np.linspace(0, 1, steps)
        shown = [tile(each, f"{share:.2g}") for each, share in zip(path, shares, strict=True)]
        if caption:
            shown[0]["caption"] = f"as {caption}"
        return shown, tile(large, caption, is_large=True)

    def _caption(self, values):
        captions, _, place = self.explorer.variants(values)
        return captions[place]


def _each(labels, others):
    return [-1] * len(others) if labels is None else labels
