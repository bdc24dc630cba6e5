"""Quick measures of generated images: by their nearest neighbours, and by their spread."""

from __future__ import annotations

import numpy as np


def read_as(x, labels, others, of_others) -> float:
    """Returns the share of images whose nearest neighbour has their label.

    Args:
        x: Array of shape `(count, *shape)`.
        labels: Labels of shape `(count,)`.
        others: Array of shape `(n, *shape)`, real images.
        of_others: Labels of shape `(n,)`.
    """
    a, b = (np.reshape(part, (len(part), -1)).astype("float32") for part in (x, others))
    distances = np.square(b).sum(1) - 2 * a @ b.T  # up to a number for each row
    return float(np.mean(np.asarray(of_others)[distances.argmin(1)] == labels))


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
