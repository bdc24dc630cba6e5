"""A number with its standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """An estimate with its standard error.

    Attributes:
        value: The number.
        standard_error: Its standard error, in the same unit; None for a single observation.
    """

    value: float
    standard_error: float | None


def average(values) -> Estimate:
    """Returns the mean of independent observations, such as one for each test image.

    Args:
        values: Array of shape `(count,)`, at least one; the mean of booleans is a share.

    Returns:
        The mean and its standard error, the standard deviation divided by the root of the count. A
        share of 0 or 1 has a standard error of 0, as all observations are equal.
    """
    values = np.asarray(values, "float64")
    count = len(values)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else None
    return Estimate(float(values.mean()), error)
