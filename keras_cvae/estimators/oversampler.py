"""Rows of rare classes, drawn from a conditional model: an oversampler of imbalanced-learn."""

from __future__ import annotations

import numbers

import numpy as np
import pandas as pd
from imblearn.over_sampling.base import BaseOverSampler
from imblearn.utils import check_target_type
from sklearn.base import clone
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import validate_data

from keras_cvae.estimators.estimator import LARGEST_SEED, CVAEEstimator


class CVAEOversampler(BaseOverSampler):
    """Gives rare classes rows that a conditional VAE of the whole table draws.

    Args:
        estimator: A `CVAEEstimator`, a copy of which is fitted; by default `CVAEEstimator()`.
        sampling_strategy: How many rows the classes are to have, as for every oversampler of
            imbalanced-learn: `"auto"` or `"not majority"`, all as many as the most frequent;
            `"minority"`, `"not minority"` or `"all"`, these alone; a dict of classes to numbers of
            rows; of two classes a ratio in (0, 1] of the rarer to the other; or a function of `y`
            to such a dict.
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

    _parameter_constraints = {
        **BaseOverSampler._parameter_constraints,
        "estimator": [CVAEEstimator, None],
        "temperature": [Interval(numbers.Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator=None, *, sampling_strategy="auto", temperature=1.0, random_state=None
    ):
        super().__init__(sampling_strategy=sampling_strategy)
        self.estimator = estimator
        self.temperature = temperature
        self.random_state = random_state

    def fit_resample(self, X, y, **params):
        """Fits the model and draws the rows that are missing.

        Args:
            X: Table of shape `(rows, columns)`: an array, a DataFrame or a list of lists.
            y: Classes of any type, of shape `(rows,)`.
            **params: As for `imblearn.base.BaseSampler.fit_resample`.

        Returns:
            `(X, y)`: the rows of X, then those drawn, class by class, of the types of X and y.
            Columns of integers get rounded numbers.

        Raises:
            ValueError: If an argument is not one of the above.
        """
        return super().fit_resample(X, y, **params)

    def _check_X_y(self, X, y):
        y, is_one_hot = check_target_type(y, indicate_one_vs_all=True)
        if hasattr(X, "iloc"):
            validate_data(self, X, y, skip_check_array=True)
            dtypes = X.dtypes.items()
            sparse = {name: t.subtype for name, t in dtypes if isinstance(t, pd.SparseDtype)}
            X = X.astype(sparse)
        else:
            X, y = validate_data(self, X, y, ensure_all_finite="allow-nan", dtype="numeric")
        return X, y, is_one_hot

    def _fit_resample(self, X, y):
        self.estimator_ = CVAEEstimator() if self.estimator is None else clone(self.estimator)
        seed = check_random_state(self.random_state).randint(LARGEST_SEED)
        if self.random_state is not None:
            self.estimator_.set_params(random_state=seed)
        self.estimator_.fit(X, y)
        y = np.asarray(y)
        asked = {label: number for label, number in self.sampling_strategy_.items() if number}
        if not asked:
            return X, y
        labels = np.repeat(np.array([*asked], y.dtype), [*asked.values()])
        rows = self.estimator_.sample(
            len(labels),
            labels,
            temperature=self.temperature,
            random_state=None if self.random_state is None else seed,
        )
        return _join(X, rows), np.concatenate([y, labels])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = False
        return tags


def _join(X, rows):
    """Joins rows of the types of X to it; where its columns are integers, numbers are rounded."""
    if hasattr(X, "iloc"):
        whole = {name: 0 for name, dtype in X.dtypes.items() if dtype.kind in "iu"}
        rows = pd.DataFrame(rows, columns=X.columns).round(whole).astype(X.dtypes)
        return pd.concat([X, rows], ignore_index=True)
    # float32 has seven digits: those of a DataFrame's rows too.
    rows = np.rint(rows) if X.dtype.kind in "iu" else np.char.mod("%.7g", rows)
    return np.concatenate([X, rows.astype(X.dtype)])
