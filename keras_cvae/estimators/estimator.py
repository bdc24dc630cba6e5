"""A conditional VAE as an estimator of scikit-learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import keras
import numpy as np
from sklearn import base
from sklearn.utils import check_array, check_random_state, check_X_y
from sklearn.utils.validation import check_is_fitted, validate_data

from keras_cvae import checks, conditions, evaluation, models, noise, tables
from keras_cvae.estimators import files, labels

if TYPE_CHECKING:
    from pandas import DataFrame

PARTS = "network", "likelihood", "prior", "objective"  # arguments of `build_cvae`
AUTOREGRESSIVE = "autoregressive_columns"
LARGEST_SEED = 2**31 - 1


class CVAEEstimator(
    base.ClassNamePrefixFeaturesOutMixin,
    base.TransformerMixin,
    base.DensityMixin,
    base.BaseEstimator,
):
    """A conditional VAE of the rows of a table: embeds rows, generates rows, estimates log p(x).

    `fit` builds and trains a `keras_cvae.CVAE`, which is the attribute `model_` and can be used
    with all other tools of the package.

    X is an array of numbers or a DataFrame. For a DataFrame, `tables.Table` determines the kinds of
    the columns, and generated and decoded rows are a DataFrame too. NaN is a missing cell.

    Args:
        latent_dim: Size of z, the number of columns that `transform` returns.
        network: As for `build_cvae`.
        likelihood: As for `build_cvae`; None for `tables.Columns` of the columns of X, or
            `"autoregressive_columns"` for `tables.AutoregressiveColumns` of them, which generates
            better rows if there are a thousand or more, but leaves less information to z. With any
            other likelihood, X must be numbers, and generated rows are an array.
        prior: As for `build_cvae`.
        objective: As for `build_cvae`.
        kinds: Dict from names of columns of a DataFrame to their kinds, as for `tables.Table.of`.
        conditional: Whether the model is conditional on the classes `y` of `fit`. Pass False if a
            later step of a pipeline predicts y from z: then z also encodes the class, and `y` may
            be anything.
        fit_prior: Whether to fit the prior to the encodings of the rows after training
            (`CVAE.fit_prior`), which matters most for `sample`.
        epochs: Number of passes of training over the rows.
        batch_size: Number of rows in a training step.
        learning_rate: Initial learning rate of Adam; it decreases to 0 along a cosine.
        samples: Number of samples of z for each row in `score_samples`.
        random_state: An integer, a `numpy.random.RandomState` or None: the seed of weights, order,
            noise and samples. With an integer, every `fit` gives the same result.
        verbose: What training prints: 0 nothing, 1 a bar, 2 a line per epoch.

    Attributes:
        model_: The fitted `CVAE`.
        history_: Dict of the loss, its terms and the ELBO of each epoch, in nats per row.
        table_: The `tables.Table` of a DataFrame, or None.
        classes_: The classes, sorted; None where the model is not conditional.
        class_counts_: Number of rows of each class in `fit`, or None.
        n_features_in_: Number of columns.
        feature_names_in_: Names of the columns, if all are strings.

    Example:
    ```python
    from sklearn.datasets import load_wine
    from keras_cvae.estimators import CVAEEstimator

    X, y = load_wine(return_X_y=True, as_frame=True)
    cvae = CVAEEstimator(random_state=0).fit(X, y)
    rows = cvae.sample(100, y=2)  # of the third class
    ```
    """

    def __init__(
        self,
        latent_dim=8,
        *,
        network="dense",
        likelihood=None,
        prior="standard_normal",
        objective="elbo",
        kinds=None,
        conditional=True,
        fit_prior=True,
        epochs=100,
        batch_size=32,
        learning_rate=3e-3,
        samples=100,
        random_state=None,
        verbose=0,
    ):
        self.latent_dim = latent_dim
        self.network = network
        self.likelihood = likelihood
        self.prior = prior
        self.objective = objective
        self.kinds = kinds
        self.conditional = conditional
        self.fit_prior = fit_prior
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.samples = samples
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X, y=None) -> CVAEEstimator:
        """Trains a new model.

        Args:
            X: Table of shape `(rows, columns)`.
            y: Classes of any type, of shape `(rows,)`, or one-hot vectors, whose classes are the
                numbers of the columns, or their names in a DataFrame; None for a model without a
                condition. If `conditional` is False, y is ignored.

        Returns:
            The estimator.

        Raises:
            ValueError: If an argument is not one of the above.
        """
        epochs = checks.integer("epochs", self.epochs, least=1)
        batch_size = checks.integer("batch_size", self.batch_size, least=1)
        learning_rate = checks.number("learning_rate", self.learning_rate, above=0)
        checks.integer("samples", self.samples, least=1)
        has_columns = self.likelihood in (None, AUTOREGRESSIVE) and _has_names(X)
        self.table_ = tables.Table.of(X, kinds=self.kinds) if has_columns else None
        X = self._check(X, reset=True)
        if y is None or not self.conditional:
            self.classes_, self.class_counts_, data = None, None, X
        else:
            X, y = check_X_y(
                X, labels.from_one_hot(y), dtype="float32", ensure_all_finite="allow-nan"
            )
            self.classes_, numbers, self.class_counts_ = labels.learn(y)
            data = [X, numbers]
        seed = check_random_state(self.random_state).randint(LARGEST_SEED)
        with noise.seeded(seed):
            self.model_ = self._build(X.shape[1])
            steps = epochs * -(-len(X) // batch_size)
            rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
            self.model_.compile(keras.optimizers.Adam(rate))
            options = {"batch_size": batch_size, "epochs": epochs, "verbose": self.verbose}
            self.history_ = self.model_.fit(data, **options).history
        if self.fit_prior:
            self.model_.fit_prior(data, seed=seed)
        return self

    def _build(self, columns):
        parts = {name: getattr(self, name) for name in PARTS}
        if self.likelihood in (None, AUTOREGRESSIVE):
            kind = tables.AutoregressiveColumns if self.likelihood else tables.Columns
            known = self.table_ and self.table_.likelihood(autoregressive=bool(self.likelihood))
            parts["likelihood"] = known or kind({f"x{n}": "numeric" for n in range(columns)})
        condition = None
        if self.classes_ is not None:
            condition = conditions.Classes(len(self.classes_), dropout=conditions.HIDDEN)
        return models.build_cvae((columns,), condition, self.latent_dim, **parts)

    def transform(self, X) -> np.ndarray:
        """Encodes rows, without their classes.

        Args:
            X: Table of shape `(rows, columns)`.

        Returns:
            Means of q(z | x), an array of shape `(rows, latent_dim)`, or the type that `set_output`
            sets.

        Raises:
            ValueError: If X does not have the columns of `fit`, or a cell is invalid.
        """
        mean, _ = self.model_.encode(self._check(X))
        return mean

    def inverse_transform(self, X, y=None) -> np.ndarray | DataFrame:
        """Decodes latents.

        Args:
            X: Latents of shape `(rows, latent_dim)`.
            y: The class of each row, or one for all; None for unknown.

        Returns:
            Means of p(x | z, y), of shape `(rows, columns)`; for categories the most probable one.

        Raises:
            ValueError: If the shape of X, or a class, is invalid.
        """
        check_is_fitted(self)
        z = check_array(X, dtype="float32", input_name="X")
        return self._as_in_fit(self.model_.decode(z, self._labels(y, len(z))))

    def score_samples(self, X, y=None) -> np.ndarray:
        """Estimates the log-density of rows, by importance sampling from q(z | x, y).

        The expectation of the estimate is at most the log-density, and converges to it as `samples`
        grows. The density depends on the units of the columns. The noise for a row depends on its
        position in X.

        Args:
            X: Table of shape `(rows, columns)`.
            y: The class of each row, for log p(x | y). With None, a conditional model computes
                log p(x), with the frequencies of the classes in `fit`.

        Returns:
            Array of shape `(rows,)`, in nats.

        Raises:
            ValueError: If X does not have the columns of `fit`, or a cell or a class is invalid.
        """
        X = self._check(X)
        options = {"samples": self.samples, "seed": self._seed(), "verbose": 0}
        if y is None and self.classes_ is not None:
            return evaluation.marginal_log_likelihood(self.model_, X, self.class_counts_, **options)
        return evaluation.log_likelihood(self.model_, X, self._labels(y, len(X)), **options)

    def score(self, X, y=None) -> float:
        """Returns the mean of `score_samples`, in nats; greater is better.

        To cross-validate a conditional model, use folds that contain every class, such as those of
        `StratifiedKFold`.

        Args:
            X: As for `score_samples`.
            y: As for `score_samples`.
        """
        return float(np.mean(self.score_samples(X, y)))

    def sample(
        self, n_samples=1, y=None, *, temperature=1.0, random_state=None
    ) -> np.ndarray | DataFrame:
        """Generates rows: z ~ p(z | y), then x ~ p(x | z, y).

        Args:
            n_samples: Number of rows.
            y: A class for each row, or one for all. With None, a conditional model samples classes
                with their frequencies in `fit`.
            temperature: Scales the spread of z; below 1 rows are more typical and vary less.
            random_state: As for the estimator; by default that of the estimator.

        Returns:
            Array or DataFrame of shape `(n_samples, columns)`.

        Raises:
            ValueError: If an argument is not one of the above.
        """
        check_is_fitted(self)
        n_samples = checks.integer("n_samples", n_samples, least=1)
        seed = self._seed(random_state)
        if y is None and self.classes_ is not None:
            y = labels.sample(self.classes_, self.class_counts_, n_samples, seed)
        numbers = self._labels(y, n_samples)
        rows = self.model_.generate(
            numbers, count=n_samples, temperature=temperature, pixels="sample", seed=seed
        )
        return self._as_in_fit(rows if self.table_ is None else self.table_.round_samples(rows))

    def _check(self, X, reset=False):
        if not reset:
            check_is_fitted(self)
        options = {"dtype": "float32", "ensure_all_finite": "allow-nan"}
        if self.table_ is None or not _has_names(X):
            return validate_data(self, X, reset=reset, **options)
        validate_data(self, X, reset=reset, skip_check_array=True)  # the names
        return check_array(self.table_.arrays(X)[0], **options)

    def _as_in_fit(self, rows):
        return rows if self.table_ is None else self.table_.frame(rows)

    def _labels(self, y, count):
        """Returns the labels of classes in the model, of shape `(count,)`; None for unknown."""
        if y is None or self.classes_ is None:
            return None
        return labels.indices_of(labels.from_one_hot(y), self.classes_, count)

    def _seed(self, random_state=None):
        random_state = self.random_state if random_state is None else random_state
        return check_random_state(random_state).randint(LARGEST_SEED)

    @property
    def _n_features_out(self):
        return self.model_.latent_dim

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.input_tags.allow_nan = True
        return tags

    def __getstate__(self):
        return files.with_model(super().__getstate__(), files.to_bytes)

    def __setstate__(self, state):
        super().__setstate__(files.with_model(state, files.from_bytes))


def _has_names(X):
    return hasattr(X, "iloc") and all(isinstance(name, str) for name in X.columns)
