"""Rows of rare classes, drawn from a conditional model: an oversampler of imbalanced-learn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state

from keras_cvae import checks
from keras_cvae.estimators.estimator import LARGEST_SEED, CVAEEstimator

# Which classes are brought to the size of the greatest, by how many rows they have.
STRATEGIES = {
    "auto": lambda counts: counts < counts.max(),
    "not majority": lambda counts: counts < counts.max(),
    "not minority": lambda counts: np.arange(len(counts)) != counts.argmin(),
    "minority": lambda counts: np.arange(len(counts)) == counts.argmin(),
    "all": lambda counts: counts > 0,
}


class CVAEOversampler(BaseEstimator):
    """Gives rare classes rows that a conditional VAE of the whole table draws.

    It follows the protocol of imbalanced-learn, whose pipelines take it; imbalanced-learn itself
    is not needed.

    Args:
        estimator: A `CVAEEstimator`, a copy of which is fitted; by default `CVAEEstimator()`.
        sampling_strategy: How many rows the classes are to have, as in imbalanced-learn: `"auto"`
            or `"not majority"`, all as many as the most frequent; `"minority"`, `"not minority"` or
            `"all"`, these alone; a dict of classes to numbers of rows; of two classes a ratio in
            (0, 1] of the rarer to the other; or a function of `y` to such a dict.
        temperature: Scales the spread of z; below 1 rows are more typical and less varied.
        random_state: Seeds training and drawing; None leaves that to the estimator's.

    Attributes:
        estimator_: The fitted `CVAEEstimator`.
        sampling_strategy_: Dict of classes to numbers of rows that were drawn.

    Example:
    ```python
    from imblearn.pipeline import make_pipeline

    make_pipeline(CVAEOversampler(), LogisticRegression()).fit(X, y)
    ```
    """

    def __init__(
        self, estimator=None, *, sampling_strategy="auto", temperature=1.0, random_state=None
    ):
        self.estimator = estimator
        self.sampling_strategy = sampling_strategy
        self.temperature = temperature
        self.random_state = random_state

    def fit_resample(self, X, y):
        """Fits the model and draws the rows that are missing.

        Args:
            X: Table of shape `(rows, columns)`.
            y: Classes of any type, of shape `(rows,)`.

        Returns:
            `(X, y)`: the rows that were given, then those drawn, class by class, of the types that
            were given. Columns of integers get rounded numbers.

        Raises:
            ValueError: If an argument is not one of the above.
        """
        classes, first, counts = np.unique(y, return_index=True, return_counts=True)
        asked = self._asked(y, classes, counts)
        self.sampling_strategy_ = {
            label: number for label, number in zip(classes.tolist(), asked, strict=True) if number
        }
        self.estimator_ = CVAEEstimator() if self.estimator is None else clone(self.estimator)
        seed = check_random_state(self.random_state).randint(LARGEST_SEED)
        if self.random_state is not None:
            self.estimator_.set_params(random_state=seed)
        self.estimator_.fit(X, y)
        labels = np.repeat(classes, asked)
        if not len(labels):
            return X, y
        drawn = self.estimator_.sample(
            len(labels),
            labels,
            temperature=self.temperature,
            random_state=None if self.random_state is None else seed,
        )
        # A row that has the class already, so that y stays of its type.
        return _joined(X, drawn), _rows(y, [*range(len(y)), *np.repeat(first, asked)])

    def _asked(self, y, classes, counts):
        """How many rows are to be drawn of each class."""
        strategy = self.sampling_strategy
        if callable(strategy):
            strategy = strategy(y)
        if isinstance(strategy, Mapping):
            named = dict(zip(classes.tolist(), counts, strict=True))
            expected = f"`sampling_strategy` must be of the classes {list(named)}"
            checks.require(set(strategy) <= set(named), expected, repr(strategy))
            wanted = {
                label: checks.integer(f"sampling_strategy[{label!r}]", number, least=named[label])
                for label, number in strategy.items()
            }
            return np.array([wanted.get(label, named[label]) - named[label] for label in named])
        if isinstance(strategy, str):
            is_chosen = checks.look_up("sampling_strategy", strategy, STRATEGIES)(counts)
            return np.where(is_chosen, counts.max() - counts, 0)
        ratio = checks.number("sampling_strategy", strategy, above=0, most=1)
        expected = "`sampling_strategy` must be a dict, or a name, of more than two classes"
        checks.require(len(classes) == 2, expected, f"{ratio} of {len(classes)} classes")
        asked = np.where(np.arange(2) == counts.argmax(), 0, int(counts.max() * ratio) - counts)
        share = counts.min() / counts.max()
        expected = f"`sampling_strategy` must be more than the {share:g} that there are already"
        checks.require(asked.max() > 0, expected, ratio)
        return asked


def _rows(values, rows):
    if hasattr(values, "iloc"):
        return values.iloc[rows].reset_index(drop=True)
    return np.asarray(values)[rows]


def _joined(given, drawn):
    """Rows and more rows, of the type that was given."""
    if hasattr(given, "iloc"):
        import pandas as pd

        whole = {name: 0 for name, dtype in given.dtypes.items() if dtype.kind in "iu"}
        drawn = pd.DataFrame(drawn, columns=given.columns).round(whole).astype(given.dtypes)
        return pd.concat([given, drawn], ignore_index=True)
    given = np.asarray(given)
    drawn = np.rint(drawn) if given.dtype.kind in "iu" else drawn
    return np.concatenate([given, drawn.astype(given.dtype)])
