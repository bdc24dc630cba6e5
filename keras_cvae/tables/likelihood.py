"""The likelihood of a table: numbers, categories and counts side by side."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, earlier_files, portable
from keras_cvae.data import arrays
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.tables.columns import Learned
from keras_cvae.tables.groups import Group, columns_of, groups_of
from keras_cvae.tables.missing import MissingPatterns
from keras_cvae.tables.standardize import StandardizeColumns, add_knots, add_repeated
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Columns(Likelihood):
    r"""The likelihood of a table: a product of distributions, one for each column.

    log p(x | z, y) = \sum over the known cells of a row, log p(x_j | z, y)

    A row of x has one number a column: a real number, the index of a category, or a count; NaN
    where a cell is missing. A missing cell adds nothing to `log_prob`, which is then the exact
    log-probability of the known cells, since cells are independent conditional on z and y.

    With `missing`, the model also learns which cells are missing (see `MissingPatterns`):
    `log_prob` includes the log-probability of the row's pattern, and `sample` leaves cells out
    (NaN) in the patterns of the data. The mean imputes every cell.

    - A numeric column: its normal scores, a rising function of its numbers (see `normal_scores`),
      have a normal distribution, whose mean and variance are outputs of the decoder. A value
      that repeats often has a probability there, not a density. (With one variance for all rows
      the ELBO was lower, and the C2ST of generated rows worse.)
    - A column of categories: a softmax.
    - A column of counts: a negative binomial distribution.

    `fit` learns location, scale and quantiles of each column from the first data that it gets. The
    encoder gets the output of the layer `StandardizeColumns`. The parameters are one vector in the
    same order: means and log-variances of numbers, then those of counts, then the logits of
    categories, then those of the patterns of missing cells.

    The mean is the median of a number, the mean of a count, and the most probable category.

    Args:
        columns: Dict from the name of each column of x, in their order, to its kind: `"numeric"`,
            `"count"`, or a list of the names of its categories.
        table: Optional description of the whole table, anything that JSON takes; it is saved with
            the model.
        missing: List of `[share, names]`: the share of rows in which exactly the columns of these
            names are missing, `[]` for none. Without it `sample` leaves no cell out.

    Raises:
        ValueError: If `columns` is anything else, or `missing` names no column.

    Example:
    ```python
    columns = tables.Columns({"age": "numeric", "sex": ["F", "M"], "visits": "count"})
    cvae = keras_cvae.build_cvae((3,), None, 8, likelihood=columns)
    cvae.fit(np.float32([[31.5, 0, 2], [np.nan, 1, 0], ...]))
    rows = cvae.generate(count=1000, pixels="sample")
    ```

    Reference:
        [Nazabal et al., 2020](https://arxiv.org/abs/1807.03653), for a likelihood a column and
        missing cells.
    """

    standardizes = True

    def __init__(self, columns: Mapping[str, str | list[str]], table=None, missing=(), **kwargs):
        super().__init__(**kwargs)
        described = columns_of(columns)
        self.columns = {column.name: column.spec for column in described}
        self.groups = groups_of(described)
        self.table = table
        self.missing = [[float(share), [*names]] for share, names in missing]
        self._patterns = MissingPatterns(self.missing, list(self.columns))
        # Places of the columns of x after the columns of each group are concatenated.
        self._order = np.argsort(
            [place for group in self.groups for place in group.places]
        ).tolist()
        options = {"shape": (len(self.columns),), "trainable": False, "dtype": "float32"}
        self.location = self.add_weight(initializer="zeros", name="location", **options)
        self.scale = self.add_weight(initializer="ones", name="scale", **options)
        self.knots = add_knots(self, len(self.columns))
        self.repeated = add_repeated(self, len(self.columns))  # last, as files rely on the order

    def parameter_shape(self, x_shape) -> tuple[int, ...]:
        if tuple(x_shape) != (len(self.columns),):
            raise checks.ArgumentError(
                "input_shape",
                f"must be ({len(self.columns)},), as many numbers as `Columns` has",
                f"{tuple(x_shape)}",
            )
        return (sum(group.size for group in self.groups) + self._patterns.size,)

    def standardizer(self) -> StandardizeColumns:
        return StandardizeColumns(self.columns, name="standardize")

    def standardize(self, location, scale, knots, repeated) -> None:  # type: ignore[override]
        self.location.assign(location)
        self.scale.assign(scale)
        self.knots.assign(knots)
        self.repeated.assign(repeated)

    def load_own_variables(self, store) -> None:
        variables = self._trainable_variables + self._non_trainable_variables
        super().load_own_variables(earlier_files.fill(store, variables))

    def check(self, x, name) -> np.ndarray:
        return check_cells(x, [*self.columns], self.groups, name)

    def log_prob(self, x, parameters) -> Tensor:
        x = ops.cast(x, "float32")
        known = ops.logical_not(ops.isnan(x))
        total = 0.0
        for (column, places), part, learned in self._parts(parameters):
            here = ops.take(known, places, axis=1)
            each = column.log_prob(ops.take(x, places, axis=1), here, part, learned)
            total = total + ops.sum(ops.where(here, each, 0.0), axis=1)
        if self._patterns.size:
            total = total + self._patterns.log_prob(known, self._of_patterns(parameters))
        return total

    def mean(self, parameters) -> Tensor:
        return self._joined([group.column.mean(*part) for group, *part in self._parts(parameters)])

    def sample(self, parameters, seed=None) -> Tensor:
        seeds = [seed] * (len(self.groups) + 1)
        if isinstance(seed, int):  # a single seed would generate the same numbers for every group
            seeds = np.random.default_rng(seed).integers(2**31 - 1, size=len(seeds)).tolist()
        parts = zip(self._parts(parameters), seeds[:-1], strict=True)
        cells = self._joined([group.column.sample(*part, seed) for (group, *part), seed in parts])
        if self._patterns.size:
            cells = self._patterns.leave_out(cells, self._of_patterns(parameters), seeds[-1])
        return cells

    def get_config(self) -> dict:
        own = {"columns": self.columns, "table": self.table, "missing": self.missing}
        return {**super().get_config(), **own}

    def _parts(self, parameters):
        """Yields each group, its parameters, and what `fit` learned of its columns."""
        *ends, end = np.cumsum([group.size for group in self.groups]).tolist()
        parameters = ops.cast(parameters, "float32")[:, :end]
        parts = ops.split(parameters, ends, axis=1) if ends else [parameters]
        weights = (self.location, self.scale, self.knots, self.repeated)
        learned = Learned(*map(ops.convert_to_tensor, weights))
        for group, part in zip(self.groups, parts, strict=True):
            yield group, part, learned.of(group.places)

    def _of_patterns(self, parameters):
        return ops.cast(parameters, "float32")[:, -self._patterns.size :]

    def _joined(self, cells):
        return portable.columns(ops.concatenate(cells, axis=1), self._order)


def check_cells(x: np.ndarray, names: list[str], groups: list[Group], argument: str) -> np.ndarray:
    """Checks the cells of a table, where NaN is a missing cell.

    Args:
        x: Array of shape `(rows, columns)`.
        names: Names of the columns.
        groups: The groups of the columns.
        argument: What `x` is called, for the message.

    Returns:
        The cells, as float32 where `x` has integers.

    Raises:
        ValueError: If a cell is not valid for its column; the message names the column.
    """
    expected = "must be numbers that are not divided by 255, such as float32"
    checks.require(x.dtype != "uint8", argument, expected, "dtype uint8")
    for start in range(0, len(x), arrays.ROWS):
        rows = np.asarray(x[start : start + arrays.ROWS], "float64")
        for column, places in groups:
            for place in places:
                cells = rows[:, place]
                cells = cells[~np.isnan(cells)]
                wrong = column.check(cells)
                if wrong:
                    expected = f"must contain {wrong}, or NaN, in column {names[place]!r}"
                    received = f"values from {cells.min():g} to {cells.max():g}"
                    raise checks.ArgumentError(argument, expected, received)
    return x if "float" in x.dtype.name else x.astype("float32")
