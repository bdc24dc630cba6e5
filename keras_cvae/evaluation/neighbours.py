"""Nearest neighbours, and quick measures of generated images: label agreement and spread."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CHUNK = 8192  # examples compared at a time


def nearest(x, others, count: int = 1, prepare: Callable = np.asarray) -> np.ndarray:
    """Returns the indices of the nearest neighbours of examples, in the Euclidean distance.

    Args:
        x: Array of shape `(n, *shape)`.
        others: Array of shape `(m, *shape)`, among which neighbours are searched.
        count: The number of neighbours of each example.
        prepare: Function that converts a part of `others` to the form of `x`, such as from bytes to
            [0, 1], so that a large array is not copied as a whole.

    Returns:
        Indices of shape `(n, min(count, m))`, nearest first.
    """
    from sklearn.neighbors import NearestNeighbors

    flat, distances, indices = np.reshape(x, (len(x), -1)), [], []
    for start in range(0, len(others), CHUNK):
        part = np.asarray(prepare(others[start : start + CHUNK]))
        search = NearestNeighbors(n_neighbors=min(count, len(part)), algorithm="brute")
        of_part = search.fit(part.reshape(len(part), -1)).kneighbors(flat)
        distances.append(of_part[0])
        indices.append(of_part[1] + start)
    order = np.argsort(np.concatenate(distances, axis=1), axis=1, kind="stable")[:, :count]
    return np.take_along_axis(np.concatenate(indices, axis=1), order, axis=1)


def label_agreement(x, labels, others, other_labels) -> float:
    """Returns the share of images whose nearest neighbour has the same label.

    Args:
        x: Array of shape `(count, *shape)`.
        labels: Labels of `x`, of shape `(count,)`.
        others: Array of shape `(m, *shape)`, real images.
        other_labels: Labels of `others`, of shape `(m,)`.
    """
    return float(np.mean(np.asarray(other_labels)[nearest(x, others)[:, 0]] == labels))


def spread(x, groups) -> float:
    """Returns the root mean square deviation of images from the mean of their group.

    Args:
        x: Array of shape `(count, *shape)`.
        groups: The group of each image, integers of shape `(count,)`.

    Returns:
        The deviation; NaN if no group has two images.
    """
    rows, squares, freedom = np.reshape(x, (len(x), -1)), 0.0, 0
    for group in np.unique(groups):
        members = rows[groups == group]
        squares += np.square(members - members.mean(0)).sum()
        freedom += len(members) - 1
    return float(np.sqrt(squares / freedom)) if freedom else np.nan
