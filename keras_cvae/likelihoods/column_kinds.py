"""What a column of a table may be: how its cells are encoded, and what is said of them.

Each kind takes all columns of its kind together. `x` and `known` are tensors of shape
`(batch, columns)`, the cells and whether they are known, `parameters` those of these columns, and
`learned` what was learned of them.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from keras import ops

from keras_cvae import noise
from keras_cvae.data.arrays import MOST_COUNT
from keras_cvae.divergences import normal_log_prob
from keras_cvae.likelihoods import categorical, counts, negative_binomial, normal_scores
from keras_cvae.likelihoods.normal_mass import normal_log_mass

START = math.log(0.1)  # of a log-variance: as wide as the column, z would have nothing to explain
LEAST = math.log(1e-4)  # of a log-variance: where numbers repeat, a density has no bound


class Learned(NamedTuple):
    """What is learned of columns before training begins: tensors.

    Attributes:
        location: Mean of a column, on the scale that is standardised, of shape `(columns,)`.
        scale: Standard deviation of it, of shape `(columns,)`.
        knots: Of its normal scores, in unit scale, of shape `(5, columns, normal_scores.COUNT)`.
    """

    location: object
    scale: object
    knots: object

    def of(self, places) -> Learned:
        """What was learned of some of the columns."""
        location, scale = (ops.take(part, places) for part in self[:2])
        return Learned(location, scale, ops.take(self.knots, places, axis=1))


class Numeric:
    """Real numbers: their normal scores have a normal distribution, its mean and variance given.

    The variance of a score is at least 1e-4 of the column's.

    Args:
        places: Where in x the columns are.
    """

    def __init__(self, places):
        self.places = places
        self.size = self.encoded_size = 2 * len(places)

    def check(self, cells) -> str | None:
        """What is wrong with known cells of a column, an array; None where nothing is."""
        most = np.finfo("float32").max
        return None if (np.abs(cells) <= most).all() else "numbers in the range of float32"

    def scaled(self, cells):
        """Cells on the scale that is standardised."""
        return cells

    def encode(self, x, known, learned):
        """What the encoder sees: a tensor of shape `(batch, encoded_size)`."""
        scores = self._scores(x, known, learned).middle
        return ops.concatenate([ops.where(known, scores, 0.0), missing(known)], axis=1)

    def log_probs(self, x, known, parameters, learned):
        """Log-density of each cell, finite where it is unknown; of a repeated value log P."""
        scores = self._scores(x, known, learned)
        mean, log_var = self._split(parameters)
        cells = (scores.middle, mean, log_var)
        density = normal_log_prob(*(ops.expand_dims(part, -1) for part in cells))
        is_repeated = scores.high > scores.low
        ends = ops.where(is_repeated, scores.low, -1.0), ops.where(is_repeated, scores.high, 1.0)
        mass = normal_log_mass(*((end - mean) * ops.exp(-0.5 * log_var) for end in ends))
        return ops.where(is_repeated, mass, density + scores.log_slope - ops.log(learned.scale))

    def mean(self, parameters, learned):
        """The median of each cell, whose score is the mean of scores."""
        return self._cells(self._split(parameters)[0], learned)

    def sample(self, parameters, learned, seed):
        """A draw of each cell."""
        mean, log_var = self._split(parameters)
        eps = noise.normal(ops.shape(mean), seed)
        return self._cells(mean + ops.exp(0.5 * log_var) * eps, learned)

    def _scores(self, x, known, learned):
        unit = ops.where(known, (x - learned.location) / learned.scale, 0.0)
        return normal_scores.score(unit, learned.knots)

    def _cells(self, scores, learned):
        return learned.location + learned.scale * normal_scores.cell(scores, learned.knots)

    def _split(self, parameters):
        mean, log_var = ops.split(parameters, 2, axis=1)
        return mean, ops.logaddexp(ops.minimum(log_var + START, -LEAST), LEAST)


class Count:
    """Counts: a negative binomial distribution (see `NegativeBinomial`).

    The base of its mean is the column's own, in the mean of log(1 + count).

    Args:
        places: Where in x the columns are.
    """

    def __init__(self, places):
        self.places = places
        self.size = self.encoded_size = 2 * len(places)

    def check(self, cells):
        whole = (cells == np.floor(cells)).all() and (cells >= 0).all()
        within = whole and (cells <= MOST_COUNT).all()
        return None if within else f"counts, whole numbers of 0 to {MOST_COUNT}"

    def scaled(self, cells):
        return np.log1p(cells)

    def encode(self, x, known, learned):
        unit = (ops.log1p(ops.where(known, x, 0.0)) - learned.location) / learned.scale
        return ops.concatenate([ops.where(known, unit, 0.0), missing(known)], axis=1)

    def log_probs(self, x, known, parameters, learned):
        x = ops.where(known, x, 0.0)
        return negative_binomial.log_probability(x, *self._split(parameters, learned.location))

    def mean(self, parameters, learned):
        return ops.exp(self._split(parameters, learned.location)[0])

    def sample(self, parameters, learned, seed):
        return negative_binomial.draw(*self._split(parameters, learned.location), seed)

    def _split(self, parameters, location):
        outputs, log_r = ops.split(parameters, 2, axis=1)
        log_base = ops.log(ops.where(location > 0, ops.expm1(location), 1.0))
        return counts.continued(outputs) + log_base, negative_binomial.shape_of(log_r)


class Categories:
    """Categories, as many in each column: a softmax of their logits. A cell is an index.

    Args:
        places: Where in x the columns are.
        levels: How many categories each has.
    """

    def __init__(self, places, levels: int):
        self.places = places
        self.levels = levels
        self.size = self.encoded_size = levels * len(places)

    def check(self, cells):
        valid = (cells == np.floor(cells)).all() and (cells >= 0).all()
        valid = valid and (cells < self.levels).all()
        return None if valid else f"indices of its categories, 0 to {self.levels - 1}"

    def scaled(self, cells):
        return np.zeros_like(cells)

    def encode(self, x, known, learned):
        one_hot = ops.one_hot(self._indices(x, known, -1.0), self.levels, dtype="float32")
        return ops.reshape(one_hot, (-1, self.size))

    def log_probs(self, x, known, parameters, learned):
        return categorical.log_probability(self._indices(x, known, 0.0), self._logits(parameters))

    def mean(self, parameters, learned):
        """The index of the most probable category: categories have no mean."""
        return ops.cast(ops.argmax(self._logits(parameters), axis=-1), "float32")

    def sample(self, parameters, learned, seed):
        if self.levels == 1:  # nothing to draw
            return ops.zeros_like(parameters)
        return categorical.draw(self._logits(parameters), seed)

    def _indices(self, x, known, unknown):
        return ops.cast(ops.where(known, x, unknown), "int32")

    def _logits(self, parameters):
        return ops.reshape(parameters, (-1, len(self.places), self.levels))


def missing(known):
    """1 where a cell is unknown, else 0."""
    return 1.0 - ops.cast(known, "float32")


NAMED = {"numeric": Numeric, "count": Count}


def kinds_of(columns: dict) -> list:
    """The kinds that occur in a description of columns, as `Columns` takes it, each once."""
    listed = list(columns.values())
    found = [
        kind([place for place, said in enumerate(listed) if said == name])
        for name, kind in NAMED.items()
        if name in listed
    ]
    levels = [None if isinstance(said, str) else len(said) for said in listed]
    for count in sorted({level for level in levels if level}):
        places = [place for place, level in enumerate(levels) if level == count]
        found.append(Categories(places, count))
    return found
