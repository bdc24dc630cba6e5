"""Comparison of generated and real rows of a table, by column and by pair of columns."""

from __future__ import annotations

import numpy as np

BINS = 10  # bins of numbers in pairs with categories


def distances(real: np.ndarray, generated: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the distance of each column's distribution from the real one, from 0 to 1.

    It is the Kolmogorov-Smirnov distance of numbers, max |F(v) - G(v)|, and the total variation of
    categories, 1/2 \sum |p - q|. Missing cells, NaN, are ignored.

    Args:
        real: Real rows, of shape `(rows, columns)`.
        generated: Generated rows, of shape `(others, columns)`.
        categories: The number of categories of each column, None for numbers.

    Returns:
        Array of shape `(columns,)`; NaN if all cells of a column are missing.
    """
    from scipy.stats import ks_2samp

    results = []
    for a, b, count in zip(real.T, generated.T, categories, strict=True):
        a, b = a[~np.isnan(a)], b[~np.isnan(b)]
        if not (len(a) and len(b)):
            results.append(np.nan)
        elif count is None:
            results.append(ks_2samp(a, b, method="asymp").statistic)
        else:
            shares = [np.bincount(c.astype(int), minlength=count) / len(c) for c in (a, b)]
            results.append(0.5 * np.abs(np.subtract(*shares)).sum())
    return np.array(results)


def associations(rows: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the association of each pair of columns, over the rows in which both are known.

    It is Pearson's correlation for two columns of numbers, from -1 to 1; the correlation ratio, the
    root of the share of variance between the categories, for numbers and categories; and Cramer's V
    for two columns of categories. The last two are from 0 to 1.

    Args:
        rows: Array of shape `(rows, columns)`, NaN where a cell is missing.
        categories: The number of categories of each column, None for numbers.

    Returns:
        Symmetric array of shape `(columns, columns)`; 0 if a column does not vary.
    """
    size = rows.shape[1]
    matrix = np.eye(size)
    for i in range(size):
        for j in range(i):
            known = ~np.isnan(rows[:, [i, j]]).any(1)
            a, b = rows[known, i], rows[known, j]
            counts = categories[i], categories[j]
            matrix[i, j] = matrix[j, i] = _association(a, b, *counts) if len(a) > 1 else 0.0
    return matrix


def shapes(real: np.ndarray, generated: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the score of each column, from 0 to 1, as the Column Shapes of SDMetrics.

    The score is 1 minus the distance from `distances`. In columns of categories, a missing cell
    counts as a category.

    Args:
        real: As for `distances`.
        generated: As for `distances`.
        categories: As for `distances`.

    Returns:
        Array of shape `(columns,)`.

    Reference:
        [SDMetrics](https://docs.sdv.dev/sdmetrics), KSComplement and TVComplement.
    """
    return 1.0 - distances(*_with_missing(categories, real, generated))


def trends(real: np.ndarray, generated: np.ndarray, categories: list[int | None]) -> np.ndarray:
    r"""Returns the score of each pair of columns, from 0 to 1, as the Pair Trends of SDMetrics.

    For two columns of numbers it is 1 - |r - r'| / 2, where r is Pearson's correlation; otherwise
    1 - 1/2 \sum |p - p'|, where p are the shares of pairs of categories, and numbers are in ten
    bins of equal width between the least and the greatest real number.

    Args:
        real: As for `distances`.
        generated: As for `distances`.
        categories: As for `distances`.

    Returns:
        Array of shape `(pairs,)`.

    Reference:
        [SDMetrics](https://docs.sdv.dev/sdmetrics), CorrelationSimilarity and
        ContingencySimilarity.
    """
    size = len(categories)
    correlations = [associations(part, [None] * size) for part in (real, generated)]
    edges = [np.linspace(low, high, BINS + 1)[1:-1] for low, high in _ends(real)]
    whole, others, sizes = _with_missing(categories, real, generated)
    bins = [
        [
            np.where(np.isnan(cells), BINS, np.digitize(cells, edge)) if count is None else cells
            for cells, edge, count in zip(part.T, edges, sizes, strict=True)
        ]
        for part in (whole, others)
    ]
    scores = []
    for i in range(size):
        for j in range(i):
            if categories[i] is None and categories[j] is None:
                scores.append(1.0 - abs(correlations[0][i, j] - correlations[1][i, j]) / 2)
                continue
            width = sizes[j] or BINS + 1
            pairs = [(part[i] * width + part[j]).astype(int) for part in bins]
            shares = [np.bincount(pair, minlength=max(map(np.max, pairs)) + 1) for pair in pairs]
            shares = [counts / counts.sum() for counts in shares]
            scores.append(1.0 - 0.5 * np.abs(np.subtract(*shares)).sum())
    return np.array(scores)


def _ends(rows):
    """Returns the least and the greatest known cell of each column; 0 if none is known."""
    return [
        (known.min(initial=np.inf), known.max(initial=-np.inf)) if len(known) else (0.0, 0.0)
        for known in (cells[~np.isnan(cells)] for cells in rows.T)
    ]


def _with_missing(categories, *parts):
    """Replaces missing categories by one more category; also returns the numbers of categories."""
    filled = [
        np.stack(
            [
                cells if count is None else np.where(np.isnan(cells), count, cells)
                for cells, count in zip(part.T, categories, strict=True)
            ],
            axis=1,
        )
        for part in parts
    ]
    return *filled, [None if count is None else count + 1 for count in categories]


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
