"""A table: numbers, categories and counts side by side, each column as what it is."""

from __future__ import annotations

from collections.abc import Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, standardize
from keras_cvae.data import arrays
from keras_cvae.likelihoods import normal_scores
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.likelihoods.column_kinds import NAMED, Learned, kinds_of
from keras_cvae.likelihoods.missing_patterns import MissingPatterns


@keras.saving.register_keras_serializable("keras_cvae")
class Columns(Likelihood):
    r"""A distribution of its own for each column of a table; given z and y they are independent.

    log p(x | z, y) = \sum over the known cells of a row, log p(x_j | z, y)

    A row of x has one number a column: a real number, the index of a category, or a count; NaN is
    a cell that is missing. What is missing has no part in `log_prob`, which is then that of the
    cells that are known, exactly: given z and y, cells say nothing of each other.

    With `missing`, which cells are missing is modelled too, as `MissingPatterns` says: `log_prob`
    has the log-probability of a row's pattern added, and `sample` leaves cells out (NaN), together
    as they are in the data. The mean never does: it fills them in.

    - The normal scores of a numeric column have a normal distribution, whose mean and variance the
      decoder gives for each row. They are a rising function of its numbers, of which most columns
      are not normal themselves: see `normal_scores`. A value that is repeated often has a
      probability there, and no density. (With one variance for all rows the ELBO was
      lower, and trees told draws from real rows more often.)
    - A column of categories has a softmax.
    - A column of counts has a negative binomial distribution.

    Location, scale and quantiles of every column are learned from the data that `fit` is first
    given. What the encoder sees is the layer `StandardizeColumns`. The parameters, one vector, are
    in its order: means and log-variances of numbers, then those of counts, then the logits of
    categories.

    The mean is the median of a number, the mean of a count, and of categories the most probable.

    Args:
        columns: Dict of the names of the columns of x, in their order, to what each is:
            `"numeric"`, `"count"`, or a list of the names of its categories.
        table: Optional description of the table that the columns are of, anything that JSON takes;
            it is kept and saved with the model.
        missing: List of `[share, names]`: the share of rows in which just the columns of these
            names are missing, `[]` for none. Without it no missing cells are drawn.

    Raises:
        ValueError: If `columns` is anything else, or `missing` names no column.

    Example:
    ```python
    columns = likelihoods.Columns({"age": "numeric", "sex": ["F", "M"], "visits": "count"})
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
        self.columns = checked(columns)
        self.table = table
        self.missing = [[float(share), [*names]] for share, names in missing]
        self._patterns = MissingPatterns(self.missing, list(self.columns))
        self.kinds = kinds_of(self.columns)
        self._order = order_of(self.kinds)
        options = {"shape": (len(self.columns),), "trainable": False, "dtype": "float32"}
        self.location = self.add_weight(initializer="zeros", name="location", **options)
        self.scale = self.add_weight(initializer="ones", name="scale", **options)
        self.knots = add_knots(self, len(self.columns))

    def parameter_shape(self, x_shape):
        if tuple(x_shape) != (len(self.columns),):
            raise ValueError(
                f"`input_shape` must be ({len(self.columns)},), as many numbers as `Columns` has. "
                f"Received: {tuple(x_shape)}"
            )
        return (sum(kind.size for kind in self.kinds) + self._patterns.size,)

    def standardizer(self):
        return StandardizeColumns(self.columns, name="standardize")

    def standardize(self, location, scale, knots):
        self.location.assign(location)
        self.scale.assign(scale)
        self.knots.assign(knots)

    def check(self, x, name):
        return check_cells(x, self.columns, self.kinds, name)

    def log_prob(self, x, parameters):
        x = ops.cast(x, "float32")
        known = ops.logical_not(ops.isnan(x))
        total = 0.0
        for kind, part, learned in self._parts(parameters):
            here = ops.take(known, kind.places, axis=1)
            each = kind.log_probs(ops.take(x, kind.places, axis=1), here, part, learned)
            total = total + ops.sum(ops.where(here, each, 0.0), axis=1)
        if self._patterns.size:
            total = total + self._patterns.log_prob(known, self._of_patterns(parameters))
        return total

    def mean(self, parameters):
        return self._joined([kind.mean(*part) for kind, *part in self._parts(parameters)])

    def sample(self, parameters, seed=None):
        seeds = [seed] * (len(self.kinds) + 1)
        if isinstance(seed, int):  # the same numbers would be drawn for every kind
            seeds = np.random.default_rng(seed).integers(2**31 - 1, size=len(seeds)).tolist()
        parts = zip(self._parts(parameters), seeds[:-1], strict=True)
        cells = self._joined([kind.sample(*part, seed) for (kind, *part), seed in parts])
        if self._patterns.size:
            cells = self._patterns.leave_out(cells, self._of_patterns(parameters), seeds[-1])
        return cells

    def get_config(self):
        own = {"columns": self.columns, "table": self.table, "missing": self.missing}
        return {**super().get_config(), **own}

    def _parts(self, parameters):
        """Of each kind: itself, its parameters, and what was learned of its columns."""
        *ends, end = np.cumsum([kind.size for kind in self.kinds]).tolist()
        parameters = ops.cast(parameters, "float32")[:, :end]
        parts = ops.split(parameters, ends, axis=1) if ends else [parameters]
        learned = Learned(*map(ops.convert_to_tensor, (self.location, self.scale, self.knots)))
        for kind, part in zip(self.kinds, parts, strict=True):
            yield kind, part, learned.of(kind.places)

    def _of_patterns(self, parameters):
        return ops.cast(parameters, "float32")[:, -self._patterns.size :]

    def _joined(self, cells):
        return ops.take(ops.concatenate(cells, axis=1), self._order, axis=1)


@keras.saving.register_keras_serializable("keras_cvae")
class StandardizeColumns(standardize.Standardize):
    """What the encoder sees of the cells of a table.

    The normal scores of numbers, and log(1 + count) in zero mean and unit variance, 0 where one is
    missing, and beside them 1 where it is; categories as one-hot vectors, all zeros where one is
    missing.

    Args:
        columns: As for `Columns`.

    Call arguments:
        inputs: Tensor of shape `(batch, columns)`, NaN where a cell is missing.

    Returns:
        Tensor of shape `(batch, width)`, in float32: the kinds of columns one after another.
    """

    def __init__(self, columns: Mapping[str, str | list[str]], **kwargs):
        super().__init__(**kwargs)
        self.columns = checked(columns)
        self.kinds = kinds_of(self.columns)

    def build(self, input_shape):
        self.knots = add_knots(self, len(self.columns))
        super().build(input_shape)

    @property
    def learned(self):
        return [*super().learned, self.knots]

    def adapt(self, data):
        super().adapt(data)
        rows = self.scaled(data[:: max(1, len(data) // normal_scores.MOST)])
        location, scale = map(ops.convert_to_numpy, (self.location, self.scale))
        units = ((rows - location) / scale).T
        knots = [normal_scores.learn(cells[~np.isnan(cells)]) for cells in units]
        self.knots.assign(np.stack(knots, axis=1))

    def is_far(self, data):
        return True  # each column has a scale of its own

    def scaled(self, data):
        data = np.asarray(data, "float64").copy()
        for kind in self.kinds:
            data[:, kind.places] = kind.scaled(data[:, kind.places])
        return data

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        known = ops.logical_not(ops.isnan(x))
        learned = Learned(*map(ops.convert_to_tensor, self.learned))
        found = []
        for kind in self.kinds:
            cells = [ops.take(part, kind.places, axis=1) for part in (x, known)]
            found.append(kind.encode(*cells, learned.of(kind.places)))
        return ops.concatenate(found, axis=1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], sum(kind.encoded_size for kind in self.kinds))

    def get_config(self):
        return {**super().get_config(), "columns": self.columns}


def add_knots(layer, columns: int):
    """Gives a layer a weight for the knots of normal scores, which are the numbers themselves."""
    straight = np.repeat(normal_scores.STRAIGHT[:, None], columns, axis=1)
    return layer.add_weight(
        straight.shape,
        initializer=lambda *_, **__: ops.convert_to_tensor(straight, "float32"),
        trainable=False,
        dtype="float32",
        name="knots",
    )


def checked(columns) -> dict[str, str | list[str]]:
    """A description of columns as `Columns` takes it, or an error that says what is wrong."""
    expected = "`columns` must be a dict of the names of columns, at least one"
    named = isinstance(columns, Mapping) and columns
    named = named and all(isinstance(name, str) and name for name in columns)
    received = list(columns) if isinstance(columns, Mapping) else type(columns).__name__
    checks.require(named, expected, received)
    return {name: _checked(name, said) for name, said in columns.items()}


def _checked(name, said):
    names = [*said] if isinstance(said, (list, tuple)) else []
    expected = (
        f"`columns[{name!r}]` must be {' or '.join(map(repr, NAMED))}, or a list of the names of "
        "its categories, one or more different strings"
    )
    if isinstance(said, str):
        checks.require(said in NAMED, expected + checks.nearest(said, NAMED), repr(said))
        return said
    texts = all(isinstance(category, str) for category in names)
    checks.require(texts and len(set(names)) == len(names) >= 1, expected, repr(said))
    return names


def order_of(kinds) -> list[int]:
    """Where the columns of x are, after those of each kind have been put together."""
    return np.argsort([place for kind in kinds for place in kind.places]).tolist()


def check_cells(x: np.ndarray, columns, kinds, name: str) -> np.ndarray:
    """Checks the cells of a table, of which NaN is one that is missing.

    Returns:
        The cells, in float32 where they were whole numbers.

    Raises:
        ValueError: If a cell is not what its column is of; the message names the column.
    """
    names = list(columns)
    checks.require(
        x.dtype != "uint8",
        f"`{name}` must be numbers that are not divided by 255, such as float32",
        "dtype uint8",
    )
    for start in range(0, len(x), arrays.ROWS):
        rows = np.asarray(x[start : start + arrays.ROWS], "float64")
        for kind in kinds:
            for place in kind.places:
                cells = rows[:, place]
                cells = cells[~np.isnan(cells)]
                wrong = kind.check(cells)
                if wrong:
                    expected = f"Column {names[place]!r} of `{name}` must hold {wrong}, or NaN"
                    among = f"values from {cells.min():g} to {cells.max():g}"
                    checks.require(False, expected, among)
    return x if "float" in x.dtype.name else x.astype("float32")
