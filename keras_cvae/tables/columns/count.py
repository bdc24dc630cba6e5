"""Columns of counts: a negative binomial distribution."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from keras import ops

from keras_cvae.data.arrays import MOST_COUNT
from keras_cvae.likelihoods import counts, negative_binomial
from keras_cvae.tables import rounding
from keras_cvae.tables.columns.base import missing
from keras_cvae.tables.columns.numeric import FEW, Numeric, is_number, whole
from keras_cvae.types import Tensor

SHORTEST_TAIL = 2.0  # least distance of the greatest count from the mean, in standard deviations
MOST_HEAPED = 0.15  # greatest `rounding.distance_from_line`


@dataclasses.dataclass(frozen=True)
class Count(Numeric):
    """A column of counts, read and written as numbers.

    Its distribution is the negative binomial (see `likelihoods.NegativeBinomial`), whose base b is
    determined by the column's mean of log(1 + count).
    """

    kind = model = "count"
    holds = f"whole numbers from 0 to {MOST_COUNT}"
    unit = "count"

    @classmethod
    def of(cls, series, distinct, requested) -> Count | None:
        if not is_number(series.dtype) or series.dtype.kind == "c":
            return None
        numbers = series.dropna().to_numpy("float64")
        counts = (numbers == np.floor(numbers)).all() and numbers.min() >= 0
        counts = counts and numbers.max() <= MOST_COUNT
        is_few = whole(series.dtype) and len(distinct) <= FEW
        decided = counts and whole(series.dtype) and not is_few and _are_like_counts(numbers)
        return (
            cls.within(series, distinct, requested) if counts and (requested or decided) else None
        )

    def check(self, cells) -> str | None:
        whole = (cells == np.floor(cells)).all() and (cells >= 0).all()
        within = whole and (cells <= MOST_COUNT).all()
        return None if within else f"counts, {self.holds}"

    def scaled(self, cells) -> np.ndarray:
        return np.log1p(cells)

    def encode(self, x, known, learned) -> Tensor:
        unit = (ops.log1p(ops.where(known, x, 0.0)) - learned.location) / learned.scale
        return ops.concatenate([ops.where(known, unit, 0.0), missing(known)], axis=1)

    def log_prob(self, x, known, parameters, learned) -> Tensor:
        x = ops.where(known, x, 0.0)
        return negative_binomial.log_probability(x, *_split(parameters, learned.location))

    def mean(self, parameters, learned) -> Tensor:
        return ops.exp(_split(parameters, learned.location)[0])

    def sample(self, parameters, learned, seed) -> Tensor:
        log_mean, r = _split(parameters, learned.location)
        return negative_binomial.sample_counts(log_mean, r, seed)


def _are_like_counts(numbers):
    """Returns whether numbers vary as much as counts, have a tail and no frequent round values."""
    mean, variance = numbers.mean(), numbers.var()
    has_tail = numbers.max() >= mean + SHORTEST_TAIL * math.sqrt(variance)
    if numbers.min() > 0 or variance < mean or not has_tail:
        return False
    return rounding.distance_from_line(numbers, step=1.0) <= MOST_HEAPED


def _split(parameters, location):
    outputs, log_r = ops.split(parameters, 2, axis=1)
    log_base = ops.log(ops.where(location > 0, ops.expm1(location), 1.0))
    return counts.limit_growth(outputs) + log_base, negative_binomial.shape_of(log_r)
