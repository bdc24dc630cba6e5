r"""Columns whose values are far from 0 compared with their spread, such as seconds since 1970.

float32 has 7 digits: of the 1,001 whole numbers from 1.6e9 to 1.6e9 + 1,000 it represents only 9.
If the location of a column is more than 1,000 standard deviations from 0, it is stored as two
float32 weights, `origin + location`, and float64 values are standardised before they are converted
to float32 and passed to the graph:

u = (x - origin - location) / scale.

They are packed as u 2^-60, which is smaller than any value of such a column. Values that are not
packed, as in a Keras model that a user builds from layers of a CVAE, are standardised in the graph.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_cvae.types import Tensor

FAR = 1000.0  # standard deviations from 0
PACKED = 2.0**-60  # factor of packed values
LEAST, MOST = 2.0**-36, 2.0**30  # bounds of |u| in packed values
LIMIT = PACKED * MOST


def split(location, scale) -> tuple[np.ndarray, np.ndarray]:
    """Splits the location of columns into a sum of two float32 numbers.

    Args:
        location: Array of shape `(columns,)`, in float64.
        scale: Array of the same shape.

    Returns:
        `(origin, rest)`: the origin is 0 for columns that are not far from 0.
    """
    location = np.asarray(location, "float64")
    is_far = np.abs(location) > FAR * np.asarray(scale, "float64")
    origin = np.where(is_far, location, 0.0).astype("float32").astype("float64")
    return origin, location - origin


def pack(x: np.ndarray, origin, location, scale) -> np.ndarray:
    """Packs values for the graph, so that columns far from 0 keep the digits of float64.

    Args:
        x: Array of shape `(count, columns)`. Packed values and images, which have more axes, are
            left unchanged.
        origin: Array of shape `(columns,)`; 0 for columns that are not packed.
        location: Location of the columns beside the origin, of the same shape.
        scale: Scale of the columns, of the same shape.

    Returns:
        `x` itself if no column is far from 0, otherwise an array of float32.
    """
    columns = np.flatnonzero(origin)
    if x.ndim != 2 or x.dtype == "uint8" or not len(columns):
        return x
    packed = x.astype("float32")
    values = x[:, columns].astype("float64")
    origin, location, scale = (np.asarray(v, "float64")[columns] for v in (origin, location, scale))
    units = (values - origin - location) / scale
    small = np.where(np.abs(units) < LEAST, LEAST, units) * PACKED
    is_raw = (values == 0) | ~(np.abs(values) < LIMIT)
    fits = is_raw & (np.abs(small) < LIMIT)
    packed[:, columns] = np.where(fits, small, values)
    return packed


def standardize(x, origin, location, scale) -> Tensor:
    """Returns standardised values u in the graph, in float32.

    Args:
        x: float32 tensor of shape `(batch, columns)`, packed or not, or of more axes, not packed.
        origin: Tensor of shape `(columns,)`.
        location: Tensor of the same shape.
        scale: Tensor of the same shape.
    """
    units = (x - origin - location) / scale
    if len(x.shape) != 2:
        return units
    return ops.where(_is_packed(x, origin), x / PACKED, units)


def unpack(x, origin, location, scale) -> Tensor:
    """Inverts `pack`: returns the values in float32. The arguments are those of `standardize`."""
    if len(x.shape) != 2:
        return x
    return ops.where(_is_packed(x, origin), x / PACKED * scale + location + origin, x)


def _is_packed(x, origin):
    return (origin != 0.0) & (x != 0.0) & (ops.abs(x) < LIMIT)
