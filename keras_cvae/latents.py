"""Grids, paths and traversals of the latent space.

Functions of NumPy arrays that return float32 latent vectors. `cvae.generator` makes images of them,
and `keras_cvae.plots` draws these. An argument of a wrong shape or range raises a `ValueError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cvae import checks

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PARALLEL = 1e-5  # sine of the angle below which float32 vectors define no plane to turn in


def grid(
    count: int = 20,
    latent_dim: int = 2,
    axes: Sequence[int] = (0, 1),
    *,
    low: float = 0.05,
    high: float = 0.95,
    center: ArrayLike | None = None,
    directions: ArrayLike | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a square grid in a plane of the latent space, equally spaced in probability.

    The coordinates are the inverse CDF of the standard normal at `count` evenly spaced
    probabilities from `low` to `high`: the standard normal has the same probability between any two
    neighbours. The point in row i and column j is `center + coordinates[j] * directions[0] +
    coordinates[i] * directions[1]`: columns are x and rows are y, as `plots.manifold` takes them.

    Args:
        count: Number of points along each side.
        latent_dim: Size of z.
        axes: The two dimensions of z that are x and y.
        low: Probability of the first coordinate, above 0.
        high: Probability of the last coordinate, below 1.
        center: Latent vector of shape `(latent_dim,)` that the plane goes through; by default the
            origin.
        directions: Two latent vectors of shape `(2, latent_dim)` along which x and y run instead
            of `axes`.

    Returns:
        `(z, coordinates)`: latent vectors of shape `(count * count, latent_dim)`, row by row, and
        the coordinates of shape `(count,)`, which x and y share.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
    ```python
    z, x = latents.grid(20, latent_dim=2)
    images = cvae.generator.predict([z, np.full(len(z), 3)])
    plots.manifold(images.reshape(20, 20, 28, 28), x=x, y=x)
    ```

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114), figure 4.
    """
    from scipy.stats import norm

    count = checks.integer("count", count, least=2)
    latent_dim = checks.integer("latent_dim", latent_dim, least=1)
    expected = "and `high` must be probabilities with 0 < low < high < 1"
    checks.require(0 < low < high < 1, "low", expected, f"low={low}, high={high}")
    center = np.zeros(latent_dim) if center is None else center
    center = checks.array("center", center, (latent_dim,))
    if directions is None:
        directions = np.eye(latent_dim)[_dimensions("axes", axes, latent_dim, 2)]
    directions = checks.array("directions", directions, (2, latent_dim))
    coordinates = norm.ppf(np.linspace(low, high, count))
    y, x = np.meshgrid(coordinates, coordinates, indexing="ij")
    z = center + np.stack([x, y], axis=-1).reshape(-1, 2) @ directions
    return z.astype("float32"), coordinates.astype("float32")


def interpolate(
    start: ArrayLike, end: ArrayLike, steps: int = 10, *, spherical: bool = False
) -> np.ndarray:
    """Interpolates between latent vectors in even steps, both ends included.

    A straight path is (1 - t) start + t end. A spherical one turns at constant speed by the angle
    a between the two, (sin((1 - t) a) start + sin(t a) end) / sin a, and keeps the distance from
    the origin, where a high-dimensional normal has most of its mass.

    Args:
        start: A latent vector of shape `(latent_dim,)`, or n of them: `(n, latent_dim)`.
        end: Latent vectors of the same shape.
        steps: Number of points on each path.
        spherical: Whether the path is spherical. Vectors that are zero, parallel or opposite
            define no plane to turn in, and are joined by a straight path.

    Returns:
        Latent vectors of shape `(steps, latent_dim)`, or `(n, steps, latent_dim)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
    ```python
    path = latents.interpolate(z[0], z[1], steps=9, spherical=True)
    images = cvae.generator.predict([path, np.full(9, 3)])
    plots.interpolation(images[None])
    ```

    Reference:
        [Shoemake, 1985](https://doi.org/10.1145/325334.325242);
        [White, 2016](https://arxiv.org/abs/1609.04468).
    """
    steps = checks.integer("steps", steps, least=2)
    shape = np.shape(start)
    expected = "must be of shape (latent_dim,) or (n, latent_dim)"
    checks.require(len(shape) in (1, 2), "start", expected, f"shape {shape}")
    start = checks.array("start", start, shape)[..., None, :]
    end = checks.array("end", end, shape)[..., None, :]
    t = np.linspace(0.0, 1.0, steps)[:, None]
    weights = 1 - t, t
    if spherical:
        a, b = (z / (_norm(z) + (_norm(z) == 0)) for z in (start, end))
        angle = 2 * np.arctan2(_norm(a - b), _norm(a + b))  # exact for small angles too
        turns = (np.sin(angle) > PARALLEL) & (_norm(start) > 0) & (_norm(end) > 0)
        sine = np.where(turns, np.sin(angle), 1.0)
        weights = (np.where(turns, np.sin(w * angle) / sine, w) for w in weights)
    from_start, from_end = weights
    return (from_start * start + from_end * end).astype("float32")


def traverse(center: ArrayLike, values: ArrayLike, dims: Sequence[int] | None = None) -> np.ndarray:
    """Varies the dimensions of a latent vector one at a time.

    Args:
        center: A latent vector, of shape `(latent_dim,)`.
        values: The S values that each dimension takes, of shape `(S,)`.
        dims: The D dimensions that vary; by default all of them.

    Returns:
        Latent vectors of shape `(D, S, latent_dim)`: `z[i, j]` is `center`, but for dimension
        `dims[i]`, which is `values[j]`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
    ```python
    values = np.linspace(-3, 3, 9)
    z = latents.traverse(np.zeros(4), values)
    images = cvae.generator.predict([z.reshape(36, 4), np.full(36, 3)])
    plots.traversals(images.reshape(4, 9, 28, 28), values)
    ```
    """
    center = checks.array("center", center, (None,))
    values = checks.array("values", values, (None,))
    dims = _dimensions("dims", range(len(center)) if dims is None else dims, len(center))
    z = np.tile(center, (len(dims), len(values), 1))
    z[np.arange(len(dims)), :, dims] = values
    return z.astype("float32")


def _norm(z):
    return np.linalg.norm(z, axis=-1, keepdims=True)


def _dimensions(argument, dims, latent_dim, count=None) -> list[int]:
    """Returns checked dimensions of z, all different: `count` of them, or at least one."""
    known = range(latent_dim)
    whole = np.ndim(dims) == 1 and all(hasattr(dim, "__index__") and dim in known for dim in dims)
    distinct = whole and len(set(dims)) == len(dims) == (count or max(len(dims), 1))
    some = f"{count or 'some'} different dimensions of z, in 0..{latent_dim - 1}"
    checks.require(distinct, argument, f"must be {some}", repr(dims))
    return [int(dim) for dim in dims]
