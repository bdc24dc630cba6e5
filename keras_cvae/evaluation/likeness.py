"""The measures of generated rows of a table, beside those of other real rows."""

from __future__ import annotations

import numpy as np

from keras_cvae.evaluation import columns
from keras_cvae.evaluation.report import Measure
from keras_cvae.evaluation.rows import c2st, closest

# The unit and the definition of each measure, by name.
OF_LIKENESS = {
    "columns": ("share", "KS or total variation of generated from test rows, mean over columns"),
    "worst column": ("share", "the greatest of these"),
    "pairs of columns": ("", "difference of their associations, mean over pairs"),
    "column shapes": ("share", "1 - distance of each column, missing as a category: SDMetrics"),
    "pair trends": ("share", "1 - distance of each pair's correlation or table: SDMetrics"),
    "C2ST": ("AUC", "of boosted trees, with the same cells missing; 0.5: cannot discriminate"),
    "closest row": ("", "distance to the closest training row, median; real: of test rows"),
}
MOST_ROWS = 2000  # rows whose closest training rows are searched


def likeness(
    real: np.ndarray,
    generated: np.ndarray,
    others: np.ndarray,
    categories: list[int | None],
    *,
    seed: int = 0,
) -> list[Measure]:
    """Measures generated rows, and other real rows for comparison, beside real ones.

    Args:
        real: Real rows, of shape `(rows, columns)`, NaN where a cell is missing.
        generated: Generated rows, of the same shape.
        others: Other real rows, of the same shape.
        categories: The number of categories of each column, None for numbers.
        seed: Seed of the folds of `c2st`.

    Returns:
        A list of `Measure`s without standard errors.
    """
    values, expected = (_values(real, rows, categories, seed) for rows in (generated, others))
    for part, rows in (values, generated), (expected, real):
        part.append(float(np.median(closest(rows[:MOST_ROWS], others, categories))))
    return [
        Measure(name, value, None, *text, of_real)
        for (name, text), value, of_real in zip(OF_LIKENESS.items(), values, expected, strict=True)
    ]


def _values(real, rows, categories, seed):
    by_column = columns.distances(real, rows, categories)
    matrices = [columns.associations(part, categories) for part in (real, rows)]
    pairs = np.abs(np.subtract(*matrices))[np.triu_indices(len(categories), 1)]
    values = [np.nanmean(by_column), np.nanmax(by_column), _mean(pairs, 0.0)]
    of_shapes, of_trends = (
        score(real, rows, categories) for score in (columns.shapes, columns.trends)
    )
    values += [np.nanmean(of_shapes), _mean(of_trends, 1.0)]
    return [*map(float, values), c2st(real, rows, seed)]


def _mean(values, default):
    return values.mean() if values.size else default
