"""Nearest neighbours, and quick measures of images by them and by their spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CHUNK = 8192  # of the others to compare at a time


def nearest(x, others, count: int = 1, prepare: Callable = np.asarray) -> np.ndarray:
    """Returns which of others are nearest to examples, in the Euclidean distance.

    Args:
        x: Array of shape `(n, *shape)`.
        others: Array of shape `(m, *shape)`.
        count: The number of neighbours of each.
        prepare: Function of a part of `others` that returns it as `x` is, such as from bytes to
            [0, 1]: of a large set no copy is made.

    Returns:
        Indices of shape `(n, min(count, m))`, nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    flat, distances, places = np.reshape(x, (len(x), -1)), [], []
    for start in range(0, len(others), CHUNK):
        part = np.asarray(prepare(others[start : start + CHUNK]))
        search = NearestNeighbors(n_neighbors=min(count, len(part)), algorithm="brute")
        of_part = search.fit(part.reshape(len(part), -1)).kneighbors(flat)
        distances.append(of_part[0])
        places.append(of_part[1] + start)
    order = np.argsort(np.concatenate(distances, axis=1), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(np.concatenate(places, axis=1), order, axis=1)


def label_agreement(x, labels, others, of_others) -> float:
    """Returns the share of images whose nearest neighbour has their label.

    Args:
        x: Array of shape `(count, *shape)`.
        labels: Labels of shape `(count,)`.
        others: Array of shape `(m, *shape)`, real images.
        of_others: Labels of shape `(m,)`.
    """
    return float(np.mean(np.asarray(of_others)[nearest(x, others)[:, 0]] == labels))


def spread(x, groups) -> float:
    """Returns the deviation of images from the mean of their group, as the root of a mean square.

    Args:
        x: Array of shape `(count, *shape)`.
        groups: The group of each, integers of shape `(count,)`; one image tells nothing of a group.

    Returns:
        The deviation; NaN where no group has two images.
    """
    rows, squares, freedom = np.reshape(x, (len(x), -1)), 0.0, 0
    for group in np.unique(groups):
        own = rows[groups == group]
        squares += np.square(own - own.mean(0)).sum()
        freedom += len(own) - 1
    return float(np.sqrt(squares / freedom)) if freedom else np.nan
