"""Fidelity and diversity of generated images compared with real ones, in a space of features.

Every function takes two arrays of features, of shape `(count, features)`, such as those of a
classifier. The results depend on the features and on the number of images, in particular the
Frechet distance: compare only results with the same features and number of images.
"""

from __future__ import annotations

import numpy as np

from keras_cvae import checks


def frechet_distance(real, generated) -> float:
    r"""Computes the squared Frechet distance of two normals with the features' moments.

    |m_r - m_g|^2 + tr(C_r + C_g - 2 (C_r^{1/2} C_g C_r^{1/2})^{1/2})

    FID is this formula applied to features of the Inception network, which have another scale. With
    other features, such as those of a classifier trained here, the distance is not FID.

    Args:
        real: Features of real images.
        generated: Features of generated images.

    Returns:
        A number of at least 0, up to rounding, in squared units of the features.

    Raises:
        ValueError: If either has fewer than two rows, or their numbers of features differ.

    Reference:
        [Dowson and Landau, 1982](https://doi.org/10.1016/0047-259X(82)90077-X);
        [Heusel et al., 2017](https://arxiv.org/abs/1706.08500).
    """
    from scipy.linalg import eigh, eigvalsh

    real, generated = _check(real, generated, 2)
    of_real, of_generated = (np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, generated))
    values, vectors = eigh(of_real)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    # The symmetric form, so that singular covariances of few images have no complex root.
    cross = np.sqrt(eigvalsh(root @ of_generated @ root).clip(0)).sum()
    between = np.square(real.mean(0) - generated.mean(0)).sum()
    return float(between + np.trace(of_real) + np.trace(of_generated) - 2 * cross)


def precision_recall(real, generated, neighbours: int = 3) -> dict[str, float]:
    """Computes the share of each set that is in the support of the other.

    The support of a set is the union of balls around its points that reach their k-th nearest
    neighbour.

    Args:
        real: Features of real images.
        generated: Features of generated images.
        neighbours: The number k.

    Returns:
        Dict of `precision`, the share of generated images among the real ones (fidelity), and
        `recall`, the share of real images among the generated ones (diversity).

    Raises:
        ValueError: If either has k rows or fewer, or their numbers of features differ.

    Reference:
        [Kynkaanniemi et al., 2019](https://arxiv.org/abs/1904.06991).
    """
    k = checks.integer("neighbours", neighbours, least=1)
    real, generated = _check(real, generated, k + 1)
    return {
        "precision": float(np.mean(_balls_around(generated, real, k) > 0)),
        "recall": float(np.mean(_balls_around(real, generated, k) > 0)),
    }


def density_coverage(real, generated, neighbours: int = 5) -> dict[str, float]:
    """Computes density and coverage, which are robust to single outliers among the real images.

    Args:
        real: Features of real images.
        generated: Features of generated images.
        neighbours: The number k: balls around the real points reach their k-th nearest neighbour.

    Returns:
        Dict of `density`, the mean number of balls that contain a generated image, over k (about 1
        for images of the real distribution, and not bounded by 1), and `coverage`, the share of
        balls that contain a generated image (in expectation 1 - 2^-k for as many images of the
        real distribution).

    Raises:
        ValueError: If either has k rows or fewer, or their numbers of features differ.

    Reference:
        [Naeem et al., 2020](https://arxiv.org/abs/2002.09797).
    """
    from sklearn.neighbors import NearestNeighbors

    k = checks.integer("neighbours", neighbours, least=1)
    real, generated = _check(real, generated, k + 1)
    nearest = NearestNeighbors(n_neighbors=1).fit(generated).kneighbors(real)[0][:, 0]
    return {
        "density": float(_balls_around(generated, real, k).mean() / k),
        "coverage": float(np.mean(nearest <= _radii(real, k))),
    }


def _radii(points, k):
    """Returns the distance of each point to its k-th nearest neighbour among the others."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors()[0][:, -1]


def _balls_around(points, centres, k):
    """Returns for each point the number of balls around the centres that contain it."""
    from sklearn.metrics import pairwise_distances_chunked

    radii = _radii(centres, k)
    chunks = pairwise_distances_chunked(
        points, centres, reduce_func=lambda distances, _: (distances <= radii).sum(1)
    )
    return np.concatenate([*chunks])


def _check(real, generated, least):
    real = checks.array("real", real, (None, None))
    generated = checks.array("generated", generated, (None, real.shape[1]))
    for name, features in (("real", real), ("generated", generated)):
        checks.require(len(features) >= least, name, f"must contain {least} or more", len(features))
    return real, generated
