r"""Columns whose values lie far from 0 for how much they differ, such as seconds since 1970.

float32 keeps 7 digits: of the 1,001 whole numbers from 1.6e9 on it has 9. So where the location of
a column is more than 1,000 deviations from 0, it is kept as two float32 weights, `origin +
location`, and values in float64 are standardised before they become float32 and enter the graph,

u = (x - origin - location) / scale.

They enter as u 2^-60, numbers smaller than any that such a column has. What enters as it is, in a
Keras model that was cut from a CVAE, is standardised in the graph.
"""

from __future__ import annotations

import numpy as np
from keras import ops

FAR = 1000.0  # deviations from 0
PACKED = 2.0**-60  # what u is multiplied by on its way
LEAST, MOST = 2.0**-36, 2.0**30  # of |u| on its way
LIMIT = PACKED * MOST


def split(location, scale) -> tuple[np.ndarray, np.ndarray]:
    """Splits the location of columns in two, of which float32 keeps enough digits.

    Args:
        location: Array of shape `(columns,)`, in float64.
        scale: Array of the same shape.

    Returns:
        `(origin, rest)`: the origin is 0 of columns that are not far from 0.
    """
    location = np.asarray(location, "float64")
    is_far = np.abs(location) > FAR * np.asarray(scale, "float64")
    origin = np.where(is_far, location, 0.0).astype("float32").astype("float64")
    return origin, location - origin


def pack(x: np.ndarray, origin, location, scale) -> np.ndarray:
    """Packs values for the graph, so that columns far from 0 keep the digits of float64.

    Args:
        x: Array of shape `(count, columns)`. What was packed before stays as it is, and so do
            images, which have more axes.
        origin: Array of shape `(columns,)`; 0 where nothing is to be done.
        location: What is to be subtracted beside the origin, of the same shape.
        scale: What is to be divided by, of the same shape.

    Returns:
        `x` itself where no column is far from 0, else an array of float32.
    """
    places = np.flatnonzero(origin)
    if x.ndim != 2 or x.dtype == "uint8" or not len(places):
        return x
    packed = x.astype("float32")
    here = x[:, places].astype("float64")
    origin, location, scale = (np.asarray(v, "float64")[places] for v in (origin, location, scale))
    units = (here - origin - location) / scale
    small = np.where(np.abs(units) < LEAST, LEAST, units) * PACKED
    is_raw = (here == 0) | ~(np.abs(here) < LIMIT)
    fits = is_raw & (np.abs(small) < LIMIT)
    packed[:, places] = np.where(fits, small, here)
    return packed


def standardize(x, origin, location, scale):
    """Standardises values in the graph: u, in float32.

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


def unpack(x, origin, location, scale):
    """Values in the graph as they were before `pack`, in float32: tensors as for `standardize`."""
    if len(x.shape) != 2:
        return x
    return ops.where(_is_packed(x, origin), x / PACKED * scale + location + origin, x)


def _is_packed(x, origin):
    return (origin != 0.0) & (x != 0.0) & (ops.abs(x) < LIMIT)
