"""The likelihood of a table whose cells depend on each other, given z too."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, portable
from keras_cvae.likelihoods.base import Likelihood
from keras_cvae.tables import logistic_scores, quantiles
from keras_cvae.tables.encoding import EncodeColumns, Encoding
from keras_cvae.tables.groups import columns_of, groups_of
from keras_cvae.tables.likelihood import check_cells
from keras_cvae.tables.missing import MissingPatterns
from keras_cvae.types import Tensor

MOST_BLOCKS = 32


@keras.saving.register_keras_serializable("keras_cvae")
class AutoregressiveColumns(Likelihood):
    r"""The likelihood of a table, a product of distributions in the order of the columns.

    log p(x, m | z, y) = log P(m | z, y) + \sum over the known cells, log p(x_j | x_{<j}, m, z, y)

    m is the pattern of missing cells (see `MissingPatterns`). Beside `Columns`, whose cells are
    independent given z and y, a cell depends on those before it in its row: what is a function of
    other columns stays one, and z need not say every cell to the last digit. A missing cell adds
    nothing but its place in m. Of more than 32 columns neighbours share a step, and are independent
    given those before.

    - A column of numbers or counts: its normal scores, which know the probability of every value
      that repeats (see `quantiles`), have a mixture of logistics.
    - A column of categories: a softmax.

    The decoder gives what these distributions are by themselves, and the first hidden layer of a
    masked network (MADE), to whose units the cells before are added. Both layers and the outputs
    that they add to the decoder's are weights of the likelihood. In a row of the parameters the
    hidden layer comes first, then the columns in their order, then the patterns of missing cells.

    The mean goes along the columns too, each given the means before: of a number about the median,
    of categories the most probable. It imputes every cell.

    Args:
        columns: As for `Columns`.
        table: As for `Columns`.
        missing: As for `Columns`.
        hidden_units: Units of each of the two hidden layers, shared among the columns.
        components: Logistics of a number.

    Raises:
        ValueError: As for `Columns`; or if `hidden_units` or `components` are not positive.

    Reference:
        [Germain et al., 2015](https://arxiv.org/abs/1502.03509), for the masks;
        [Gulrajani et al., 2017](https://arxiv.org/abs/1611.05013), for such a decoder of a VAE.
    """

    standardizes = True
    autoregressive = True

    def __init__(
        self,
        columns: Mapping[str, str | list[str]],
        table=None,
        missing=(),
        hidden_units: int = 256,
        components: int = 6,
        **kwargs,
    ):
        super().__init__(**kwargs)
        described = columns_of(columns)
        self.columns = {column.name: column.spec for column in described}
        self.table = table
        self.missing = [[float(share), [*names]] for share, names in missing]
        self.hidden_units = checks.integer("hidden_units", hidden_units, least=1)
        self.components = checks.integer("components", components, least=1)
        self._patterns = MissingPatterns(self.missing, list(self.columns))
        self._described, self._encoding = described, Encoding(described)
        sizes = [column.levels or 3 * self.components for column in described]
        self._ends = np.cumsum([0, *sizes]).tolist()
        count = len(described)
        self._blocks = [
            block.tolist() for block in np.array_split(range(count), min(count, MOST_BLOCKS))
        ]
        units = np.array_split(range(self.hidden_units), len(self._blocks))
        self._unit_ends = np.cumsum([0, *map(len, units)]).tolist()
        self.points = self._encoding.add_points(self)
        self._add_network(*map(self._step_of, (self._encoding.ends, self._ends)))

    def _step_of(self, ends):
        """Returns the step at which the column of each entry is sampled."""
        of_columns = np.repeat(range(len(self._blocks)), [*map(len, self._blocks)])
        return np.repeat(of_columns, np.diff(ends))

    def _add_network(self, of_input, of_output):
        of_unit = np.repeat(range(len(self._blocks)), np.diff(self._unit_ends))
        tables = {
            "into": (of_input, of_unit, np.less, "glorot_uniform"),
            "between": (of_unit, of_unit, np.less_equal, "glorot_uniform"),
            "out": (of_unit, of_output, np.less_equal, "zeros"),
            "across": (of_input, of_output, np.less, "zeros"),
        }
        self._masks = {}
        for name, (above, below, rule, start) in tables.items():
            self._masks[name] = rule(above[:, None], below[None]).astype("float32")
            shape, options = (len(above), len(below)), {"dtype": "float32", "name": name}
            setattr(self, name, self.add_weight(shape, initializer=start, **options))
        options = {"initializer": "zeros", "dtype": "float32"}
        shape = len(self.columns), self.hidden_units
        self.of_missing = self.add_weight(shape, name="of_missing", **options)
        self.bias = self.add_weight((self.hidden_units,), name="bias", **options)

    def parameter_shape(self, x_shape) -> tuple[int, ...]:
        if tuple(x_shape) != (len(self.columns),):
            raise checks.ArgumentError(
                "input_shape",
                f"must be ({len(self.columns)},), as many numbers as `{type(self).__name__}` has",
                f"{tuple(x_shape)}",
            )
        return (self.hidden_units + self._ends[-1] + self._patterns.size,)

    def standardizer(self) -> EncodeColumns:
        return EncodeColumns(self.columns, name="standardize")

    def standardize(self, points) -> None:  # type: ignore[override]
        self.points.assign(points)

    def check(self, x, name) -> np.ndarray:
        return check_cells(x, [*self.columns], groups_of(self._described), name)

    def log_prob(self, x, parameters) -> Tensor:
        x = ops.cast(x, "float32")
        hidden, outputs, of_patterns = self._split(parameters)
        known = ops.logical_not(ops.isnan(x))
        points = ops.convert_to_tensor(self.points)
        inputs = self._encoding(x, points)
        into, between, out, across = (
            ops.multiply(getattr(self, name), mask) for name, mask in self._masks.items()
        )
        first = ops.silu(hidden + self._of_missing(known) + ops.matmul(inputs, into))
        second = first + ops.silu(ops.matmul(first, between) + self.bias)
        outputs = outputs + ops.matmul(second, out) + ops.matmul(inputs, across)
        total = 0.0
        if self._encoding.numbers:
            scores = self._encoding.scores(x, points)
            part = self._outputs_of(outputs, self._encoding.numbers, 3 * self.components)
            each = logistic_scores.log_prob(scores, part, self.components)
            here = ops.take(known, self._encoding.numbers, axis=1)
            total = total + ops.sum(ops.where(here, each, 0.0), axis=1)
        for column, places in self._encoding.groups:
            part = self._outputs_of(outputs, places, column.levels)
            part = ops.reshape(part, (-1, len(places) * column.levels))
            cells, here = (ops.take(each, places, axis=1) for each in (x, known))
            each = column.log_prob(cells, here, part, None)
            total = total + ops.sum(ops.where(here, each, 0.0), axis=1)
        if self._patterns.size:
            total = total + self._patterns.log_prob(known, of_patterns)
        return total

    def mean(self, parameters) -> Tensor:
        def choose(place, part):
            column = self._described[place]
            if column.levels:
                return column.mean(part, None)
            return self._cell(place, logistic_scores.median(part[:, None], self.components))

        _, outputs, _ = self._split(parameters)
        return self._in_steps(parameters, ops.zeros_like(outputs[:, : len(self.columns)]), choose)

    def sample(self, parameters, seed=None) -> Tensor:
        _, outputs, of_patterns = self._split(parameters)
        count = len(self.columns)
        seeds = [seed] * (2 * count + 1)
        if isinstance(seed, int):  # a single seed would generate the same numbers for every column
            seeds = np.random.default_rng(seed).integers(2**31 - 1, size=len(seeds)).tolist()
        holes = ops.repeat(ops.zeros_like(outputs[:, :1]), count, axis=1)
        if self._patterns.size:
            holes = self._patterns.leave_out(holes, of_patterns, seeds[-1])

        def choose(place, part):
            column = self._described[place]
            if column.levels:
                return column.sample(part, None, seeds[2 * place])
            pair = seeds[2 * place : 2 * place + 2]
            return self._cell(place, logistic_scores.sample(part[:, None], self.components, pair))

        return self._in_steps(parameters, holes, choose)

    def _in_steps(self, parameters, holes, choose: Callable) -> Tensor:
        """Returns cells that are chosen one step after the other.

        Args:
            parameters: As for `log_prob`.
            holes: Tensor of shape `(batch, columns)`, NaN where a cell is to be missing.
            choose: Function of a place and its column's parameters, of shape `(batch, size)`, to
                cells of shape `(batch, 1)`.
        """
        hidden, outputs, _ = self._split(parameters)
        hidden = hidden + self._of_missing(ops.logical_not(ops.isnan(holes)))
        points = ops.convert_to_tensor(self.points)
        cells, inputs, first, second = [], [], [], []
        of_input = self._encoding.ends
        for step, places in enumerate(self._blocks):
            units = slice(*self._unit_ends[step : step + 2])
            own = slice(self._ends[places[0]], self._ends[places[-1] + 1])
            seen = of_input[places[0]]
            before = ops.concatenate(inputs, axis=1) if inputs else None
            into, out = hidden[:, units], outputs[:, own]
            if inputs:
                into = into + ops.matmul(before, self.into[:seen, units])
                out = out + ops.matmul(before, self.across[:seen, own])
            first.append(ops.silu(into))
            both = ops.matmul(ops.concatenate(first, axis=1), self.between[: units.stop, units])
            second.append(first[-1] + ops.silu(both + self.bias[units]))
            out = out + ops.matmul(ops.concatenate(second, axis=1), self.out[: units.stop, own])
            for place in places:
                low, high = (end - own.start for end in self._ends[place : place + 2])
                chosen = choose(place, out[:, low:high]) + holes[:, place : place + 1]
                cells.append(chosen)
                column = self._described[place]
                here = [self._encoding.numbers.index(place)] if column.levels is None else [0]
                of_cell = Encoding([column])
                inputs.append(of_cell(chosen, portable.columns(points, here)))
        return ops.concatenate(cells, axis=1)

    def _cell(self, place, scores):
        """Returns the numbers of scores of a column."""
        here = [self._encoding.numbers.index(place)]
        points = portable.columns(ops.convert_to_tensor(self.points), here)
        cells = quantiles.cell(scores, points)
        is_count = self._described[place].model == "count"
        return ops.maximum(ops.round(cells), 0.0) if is_count else cells

    def _of_missing(self, known):
        return ops.matmul(1.0 - ops.cast(known, "float32"), self.of_missing)

    def _split(self, parameters):
        """Returns the hidden layer, the outputs of all columns, and those of the patterns."""
        ends = [self.hidden_units, self.hidden_units + self._ends[-1]]
        parameters = ops.cast(parameters, "float32")
        return (
            parameters[:, : ends[0]],
            parameters[:, ends[0] : ends[1]],
            parameters[:, ends[1] :],
        )

    def _outputs_of(self, outputs, places, size):
        """Returns the outputs of columns of the same size, of shape `(batch, columns, size)`."""
        entries = [range(self._ends[place], self._ends[place] + size) for place in places]
        return ops.reshape(ops.take(outputs, np.ravel(entries), axis=1), (-1, len(places), size))

    def get_config(self) -> dict:
        own = {"columns": self.columns, "table": self.table, "missing": self.missing}
        own |= {"hidden_units": self.hidden_units, "components": self.components}
        return {**super().get_config(), **own}
