"""Comparison of generated and real rows of a table, row by row."""

from __future__ import annotations

import numpy as np

from keras_cvae.evaluation import neighbours


def c2st(real: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    """Computes a classifier two-sample test (C2ST) with boosted trees.

    It returns the area under the ROC curve of trees that discriminate generated from real rows,
    over three folds: 0.5 if they cannot discriminate, 1 if they always can.

    Args:
        real: Real rows, of shape `(rows, columns)`, NaN where a cell is missing.
        generated: Generated rows, of the same shape. Cells that are missing in either are made
            missing in both, row by row, so that missing cells alone do not decide.
        seed: Seed of the folds.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    holes = np.tile(np.isnan(real) | np.isnan(generated), (2, 1))
    labels = np.repeat([0, 1], len(real))
    folds = StratifiedKFold(3, shuffle=True, random_state=seed)
    trees = HistGradientBoostingClassifier(random_state=seed)
    rows = np.concatenate([real, generated]).astype("float64")
    # Missing cells become a separate number, as trees do not accept a column of only NaN.
    least = np.min(rows, axis=0, where=~holes, initial=0.0)
    rows = np.where(holes, least - 1.0, rows)
    return float(cross_val_score(trees, rows, labels, cv=folds, scoring="roc_auc").mean())


def closest(rows: np.ndarray, others: np.ndarray, categories: list[int | None]) -> np.ndarray:
    """Returns the distance of each row to the closest of other rows.

    Numbers are divided by their standard deviation in `others`, and a missing number is replaced by
    the mean; the distance of two different categories is 1. Rows that a model has copied have
    distance 0, which is rare for new real rows.

    Args:
        rows: Array of shape `(rows, columns)`, NaN where a cell is missing.
        others: Array of shape `(others, columns)`.
        categories: As for `distances`.

    Returns:
        Array of shape `(rows,)`.
    """
    vectors, other_vectors = as_vectors(rows, others, categories)
    closest = other_vectors[neighbours.nearest(vectors, other_vectors)[:, 0]]
    return np.sqrt(np.square(vectors - closest).sum(1))


def as_vectors(rows, others, categories) -> tuple[np.ndarray, np.ndarray]:
    """Converts rows and other rows to vectors whose Euclidean distances are those of `closest`.

    Args:
        rows: As for `closest`.
        others: As for `closest`.
        categories: As for `distances`.
    """
    parts: list = [[], []]
    for a, b, count in zip(rows.T, others.T, categories, strict=True):
        mean, deviation = (f(b) if not np.isnan(b).all() else 0.0 for f in (np.nanmean, np.nanstd))
        for part, cells in zip(parts, (a, b), strict=True):
            if count is None:
                unit = (np.where(np.isnan(cells), mean, cells) - mean) / (deviation or 1.0)
                part.append(unit[:, None])
            else:
                part.append((cells[:, None] == np.arange(count)) / np.sqrt(2))
    vectors, other_vectors = (np.concatenate(part, axis=1) for part in parts)
    return vectors, other_vectors
