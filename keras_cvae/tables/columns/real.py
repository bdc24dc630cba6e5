"""Columns of real numbers: their normal scores have a normal distribution."""

from __future__ import annotations

import abc
import math

import numpy as np
from keras import ops

from keras_cvae import noise
from keras_cvae.checks import require
from keras_cvae.divergences import normal_log_prob
from keras_cvae.tables import normal_scores
from keras_cvae.tables.columns.base import Column, missing
from keras_cvae.tables.normal_mass import normal_log_mass
from keras_cvae.types import Tensor

START = math.log(0.1)  # initial log-variance: with 1, z would have nothing to explain
LEAST = math.log(1e-4)  # least log-variance: the density of repeated numbers has no bound
EXACT = 2**24  # float32 represents all whole numbers up to it


class Real(Column):
    """A column whose cells are modelled as real numbers.

    Their normal scores (see `normal_scores`) have a normal distribution, whose mean and variance
    are outputs of the decoder for each row. The variance of a score is at least 1e-4.
    """

    model = "numeric"

    @property
    @abc.abstractmethod
    def ends(self) -> tuple[float, float]:
        """The least and the greatest number in the data."""

    @property
    @abc.abstractmethod
    def resolution(self) -> float:
        """The difference of numbers next to each other; 0 if they have more than six decimals."""

    def as_cells(self, numbers: np.ndarray) -> np.ndarray:
        """Returns numbers as float32, or as float64 if float32 would change some of them.

        Args:
            numbers: float64 array of shape `(rows,)`.
        """
        is_exact = max(map(abs, self.ends)) <= EXACT * self.resolution or not self.resolution
        return numbers.astype("float32" if is_exact else "float64")

    def parse_range(self, text) -> tuple[float, float]:
        low, dots, high = text.partition("..")
        if not dots:
            return super().parse_range(text)
        texts = low.strip(), high.strip()
        cells = [self.parse(t) if t else end for t, end in zip(texts, self.ends, strict=True)]
        expected = f"must give column {self.name!r} a range from low to high, as 2..5"
        require(cells[0] <= cells[1] and any(texts), "where", expected, repr(text))
        return cells[0], cells[1]

    def check(self, cells) -> str | None:
        most = np.finfo("float32").max
        return None if (np.abs(cells) <= most).all() else "numbers in the range of float32"

    def encode(self, x, known, learned) -> Tensor:
        scores = _scores(x, known, learned).middle
        return ops.concatenate([ops.where(known, scores, 0.0), missing(known)], axis=1)

    def log_prob(self, x, known, parameters, learned) -> Tensor:
        scores = _scores(x, known, learned)
        mean, log_var = _split(parameters)
        cells = (scores.middle, mean, log_var)
        density = normal_log_prob(*(ops.expand_dims(part, -1) for part in cells))
        is_repeated = scores.high > scores.low
        ends = ops.where(is_repeated, scores.low, -1.0), ops.where(is_repeated, scores.high, 1.0)
        mass = normal_log_mass(*((end - mean) * ops.exp(-0.5 * log_var) for end in ends))
        return ops.where(is_repeated, mass, density + scores.log_slope - ops.log(learned.scale))

    def mean(self, parameters, learned) -> Tensor:
        """Returns the median of each cell, the value of the mean score."""
        return _cells(_split(parameters)[0], learned)

    def sample(self, parameters, learned, seed) -> Tensor:
        mean, log_var = _split(parameters)
        eps = noise.normal(ops.shape(mean), seed)
        scores = mean + ops.exp(0.5 * log_var) * eps
        cells = normal_scores.cell_as_in_data(scores, learned.knots, learned.repeated)
        return learned.location + learned.scale * cells


def _scores(x, known, learned):
    unit = ops.where(known, (x - learned.location) / learned.scale, 0.0)
    return normal_scores.score(unit, learned.knots)


def _cells(scores, learned):
    return learned.location + learned.scale * normal_scores.cell(scores, learned.knots)


def _split(parameters):
    mean, log_var = ops.split(parameters, 2, axis=1)
    return mean, ops.logaddexp(ops.minimum(log_var + START, -LEAST), LEAST)
