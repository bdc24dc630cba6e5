"""Components that Gradio does not have: a canvas, latents with a pad, and rows of pictures."""

from __future__ import annotations

from typing import Any

from keras_cvae.explore.files import text
from keras_cvae.explore.serving import import_gradio

DIMMEST = 0.5  # greys above it are light: the pen is then black, otherwise white


def drawing(shape, background: float, **options) -> Any:
    """Makes a canvas to draw on with the mouse, whose value is the data URL of a PNG.

    Args:
        shape: Shape of an image, `(H, W, C)`.
        background: The grey of the empty canvas, in [0, 1].
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


def latents(noise, active, remark: str, map=None, controls=(), **options) -> Any:
    """Makes a pad and sliders over latents, whose value is a list of numbers.

    Args:
        noise: Initial values, of shape `(latent_dim,)`.
        active: The dimensions that have a slider, in this order; the first two are the pad's axes.
        remark: A sentence between pad and sliders.
        map: `View.map`, for images behind the pad.
        controls: The values of the controls, for `map`.
        **options: More arguments of `gr.HTML`.
    """
    options |= {"active": active, "remark": remark, "controls": [*controls]}

    def behind(arguments):  # Gradio marks a function with attributes, which methods do not have
        return map(*arguments)

    functions = [behind] if map else None
    value = [float(each) for each in noise]
    return _part("latents", value=value, has_map=bool(map), server_functions=functions, **options)


def tiles(value, **options) -> Any:
    """Makes a row of pictures, whose value is a list of dicts as of `view.tile`."""
    return _part("tiles", value=value, **options)


def download() -> Any:
    """Makes an invisible component that saves its value, `{address, name}`, as a file."""
    gr = import_gradio()
    return gr.HTML(html_template="", js_on_load=text("download.js"), visible="hidden")


def _part(name, **options):
    html, js = text(f"{name}.html"), text(f"{name}.js")
    return import_gradio().HTML(html_template=html, js_on_load=js, **options)
