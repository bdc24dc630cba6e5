"""Components that Gradio does not have: a canvas, latents with a pad, and rows of pictures."""

from __future__ import annotations

import importlib.resources
from typing import Any

from keras_cvae.explore.serving import import_gradio

PARTS = importlib.resources.files("keras_cvae.explore") / "parts"
DIMMEST = 0.5  # grey from which paper is light and ink dark


def text(name: str) -> str:
    """Returns the text of a file of the page."""
    return (PARTS / name).read_text("utf-8")


def drawing(shape, background: float, **options) -> Any:
    """Makes a canvas to draw on with the mouse, whose value is the address of a PNG.

    Args:
        shape: Shape of an image, `(H, W, C)`.
        background: The grey of the paper, in [0, 1].
        **options: More arguments of `gr.HTML`.
    """
    height, width, channels = shape
    grey = round(255 * background)
    ink = 0 if background > DIMMEST else 255
    return _part(
        "drawing",
        value="",
        width=width,
        height=height,
        is_colour=channels == 3,
        paper=f"#{grey:02x}{grey:02x}{grey:02x}",
        ink=f"#{ink:02x}{ink:02x}{ink:02x}",
        pen=max(8, round(130 / max(height, width))),  # per cent of the canvas
        **options,
    )


def latents(noise, active, remark: str, **options) -> Any:
    """Makes a pad and sliders over latents, whose value is a list of numbers.

    Args:
        noise: The numbers to begin with, of shape `(latent_dim,)`.
        active: The dimensions to have a slider, in this order.
        remark: A sentence between pad and sliders.
        **options: More arguments of `gr.HTML`.
    """
    return _part("latents", value=[*map(float, noise)], active=active, remark=remark, **options)


def tiles(value, **options) -> Any:
    """Makes a row of pictures, whose value is a list of dicts as of `view.tile`."""
    return _part("tiles", value=value, **options)


def download() -> Any:
    """Makes what saves its value, `{address, name}`, as a file."""
    gr = import_gradio()
    return gr.HTML(html_template="", js_on_load=text("download.js"), visible="hidden")


def _part(name, **options):
    html, js = text(f"{name}.html"), text(f"{name}.js")
    return import_gradio().HTML(html_template=html, js_on_load=js, **options)
