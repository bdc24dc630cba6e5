"""Reads one image file as an array: formats, transparency, 16 bits and resizing."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_cvae.checks import explain, require
from keras_cvae.data.readers import check_file

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".webp", ".gif", ".bmp", ".tif", ".tiff")
SUFFIXES += (".pgm", ".ppm", ".pbm", ".pnm", ".jp2")
# Without a list of formats, Pillow would run Ghostscript on an EPS file that is named .png.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000")
FEW_PIXELS = 2**24  # which any file may have
PIXELS_OF_A_BYTE = 10_000  # of a blank image of 1 bit a pixel, packed by deflate 1032 to 1


class ImageFile(NamedTuple):
    """The content of an image file.

    Attributes:
        pixels: Array `(H, W, 1)` of grey or `(H, W, 3)` of colour, uint8 or uint16.
        is_transparent: Whether some pixels are transparent, and have the colour of the background.
        has_more: Whether the file has further frames or pages, which are not read.
    """

    pixels: np.ndarray
    is_transparent: bool = False
    has_more: bool = False


def colour(background: str) -> tuple[int, ...]:
    """Returns the red, green and blue values of a colour, from 0 to 255.

    Args:
        background: A name such as `"white"`, or a hexadecimal number such as `"#ff8000"`, as for
            Pillow's `ImageColor`.

    Raises:
        ValueError: If it is not a colour of Pillow.
    """
    from PIL import ImageColor

    expected = "must be a colour such as white or #ff8000"
    with explain("background", expected, (AttributeError, TypeError, ValueError)):
        return ImageColor.getrgb(background)[:3]


def read(path: Path, background: tuple[int, ...] = (255, 255, 255)) -> ImageFile:
    """Reads an image, rotates it by its EXIF orientation, and composites it on a background.

    Args:
        path: The file.
        background: Red, green and blue behind transparent pixels, from 0 to 255.

    Raises:
        ValueError: If the file is not an image of one of `FORMATS`, is damaged, or does not have 8
            or 16 bits per channel.
    """
    from PIL import Image, ImageOps

    advice = "skip_damaged=True", "leaves such files out"
    check_file(path)
    expected = f"'{path}' is truncated, damaged, too large, or not a {', '.join(FORMATS)} image"
    with explain(None, expected, advice=advice), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        with Image.open(path, formats=FORMATS) as image:
            width, height = image.size
            possible = max(FEW_PIXELS, PIXELS_OF_A_BYTE * path.stat().st_size)
            require(width * height <= possible, None, expected, f"{width} x {height} pixels")
            # The MPO file of a camera also contains a preview.
            has_more = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
            mode = image.mode
            image = ImageOps.exif_transpose(image)
            if mode[0] in "IF":
                pixels, is_transparent = np.asarray(image), False
            else:
                image, is_transparent = _composite(image, background)
                is_grey = mode in ("1", "L", "LA", "La")
                is_grey = is_grey and (not is_transparent or len({*background}) == 1)
                pixels = np.asarray(image.convert("L" if is_grey else "RGB"))
                if mode == "P" and (pixels == pixels[..., :1]).all():  # a palette of greys
                    pixels = pixels[..., 0]
    if mode[0] in "IF":
        is_deep = pixels.dtype.kind in "iu" and pixels.min() >= 0 and pixels.max() < 2**16
        expected = f"'{path}' must have 8 or 16 bits per channel"
        require(is_deep, None, expected, f"image mode {mode}", advice)
        pixels = pixels.astype("uint16")
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    return ImageFile(pixels, is_transparent, has_more)


def _composite(image, background):
    """Composites an image on a background; also returns whether any pixel was transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image, False
    image = image.convert("RGBA")
    if image.getextrema()[-1][0] == 255:
        return image, False
    below = Image.new("RGBA", image.size, (*background, 255))
    return Image.alpha_composite(below, image), True


def resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes one `(H, W, C)` image of uint8, uint16 or float32 to `(height, width)`."""
    from PIL import Image

    if image.dtype == "uint16":  # Pillow does not resize uint16 by bilinear interpolation
        return np.rint(resize(image.astype("float32"), size)).astype("uint16")
    # Bilinear weights are positive, so that pixels stay in range; bicubic weights are not.
    channels = [Image.fromarray(channel) for channel in np.moveaxis(image, -1, 0)]
    resized = [c.resize(size[::-1], Image.Resampling.BILINEAR) for c in channels]
    return np.stack([np.asarray(channel) for channel in resized], axis=-1)
