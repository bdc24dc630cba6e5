"""Likeness of generated and real rows of a table: by column, by pair of columns, by row."""

from __future__ import annotations

import numpy as np

from keras_cvae.evaluation.table import Measure

# The unit and the definition of each measure, by name.
OF_LIKENESS = {
    "columns": ("share", "KS or total variation of generated from test rows, mean over columns"),
    "worst column": ("share", "the greatest of these"),
    "pairs of columns": ("", "difference of their associations, mean"),
    "C2ST": ("AUC", "of boosted trees, with the same cells missing; 0.5: cannot discriminate"),
}


def distances(real: np.ndarray, generated: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the distance of each column's distribution from the real one, from 0 to 1.

    For numbers the Kolmogorov-Smirnov distance, max |F(v) - G(v)|; for categories the total
    variation, 1/2 \sum |p - q|. Missing cells, NaN, are ignored.

    Args:
        real: Real rows, of shape `(rows, columns)`.
        generated: Generated rows, of shape `(others, columns)`.
        categories: The number of categories of each column, None for numbers.

    Returns:
        Array of shape `(columns,)`; NaN where all cells of a column are missing.
    """
    from scipy.stats import ks_2samp

    apart = []
    for a, b, count in zip(real.T, generated.T, categories, strict=True):
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
        if not (len(a) and len(b)):
            apart.append(np.nan)
        elif count is None:
            apart.append(ks_2samp(a, b, method="asymp").statistic)
        else:
            shares = [np.bincount(c.astype(int), minlength=count) / len(c) for c in (a, b)]
            apart.append(0.5 * np.abs(np.subtract(*shares)).sum())
    return np.array(apart)


def associations(rows: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the association of each two columns, over the rows in which both are known.

    For two columns of numbers Pearson's correlation, from -1 to 1; for numbers and categories the
    correlation ratio, the root of the share of variance between the categories; for two columns of
    categories Cramer's V. The last two are from 0 to 1.

    Args:
        rows: Array of shape `(rows, columns)`, NaN where a cell is missing.
        categories: The number of categories of each column, None for numbers.

    Returns:
        Symmetric array of shape `(columns, columns)`; 0 where a column does not vary.
    """
    size = rows.shape[1]
    square = np.eye(size)
    for i in range(size):
        for j in range(i):
            known = ~np.isnan(rows[:, [i, j]]).any(1)
            a, b = rows[known, i], rows[known, j]
            counts = categories[i], categories[j]
            square[i, j] = square[j, i] = _association(a, b, *counts) if len(a) > 1 else 0.0
    return square


def _association(a, b, count_a, count_b):
    if count_a is not None and count_b is not None:
        return _cramers_v(a.astype(int), b.astype(int), count_a, count_b)
    if count_b is not None:
        return _correlation_ratio(b.astype(int), a, count_b)
    if count_a is not None:
        return _correlation_ratio(a.astype(int), b, count_a)
    spread = a.std() * b.std()
    return float(np.mean((a - a.mean()) * (b - b.mean())) / spread) if spread > 0 else 0.0


def _correlation_ratio(labels, numbers, count):
    numbers = numbers - numbers.mean()
    sizes = np.bincount(labels, minlength=count)
    sums = np.bincount(labels, weights=numbers, minlength=count)
    total = np.square(numbers).sum()
    between = (np.square(sums) / np.maximum(sizes, 1)).sum()
    return float(np.sqrt(between / total)) if total > 0 else 0.0


def _cramers_v(a, b, count_a, count_b):
    from scipy.stats.contingency import association

    table = np.zeros((count_a, count_b), int)
    np.add.at(table, (a, b), 1)
    table = table[table.any(1)][:, table.any(0)]
    return float(association(table, "cramer")) if min(table.shape) > 1 else 0.0


def c2st(real: np.ndarray, generated: np.ndarray, seed: int = 0) -> float:
    """Classifier two-sample test (C2ST): boosted trees that discriminate generated and real rows.

    Returns the area under their ROC curve over three folds: 0.5 where they cannot discriminate, 1
    where they always can.

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
    # Missing cells become a number of their own, as trees refuse a column of NaN alone.
    least = np.min(rows, axis=0, where=~holes, initial=0.0)
    rows = np.where(holes, least - 1.0, rows)
    return float(cross_val_score(trees, rows, labels, cv=folds, scoring="roc_auc").mean())


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
    return [
        Measure(name, value, None, *text, of_real)
        for (name, text), value, of_real in zip(OF_LIKENESS.items(), values, expected, strict=True)
    ]


def _values(real, rows, categories, seed):
    apart = distances(real, rows, categories)
    squares = [associations(part, categories) for part in (real, rows)]
    pairs = np.abs(np.subtract(*squares))[np.triu_indices(len(categories), 1)]
    of_pairs = pairs.mean() if pairs.size else 0.0
    of_columns = np.nanmean(apart), np.nanmax(apart)
    return [*map(float, (*of_columns, of_pairs)), c2st(real, rows, seed)]
