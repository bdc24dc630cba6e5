"""A number with its standard error."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """What was estimated, and how far it may be off.

    Attributes:
        value: The number.
        standard_error: Its standard error, in the same unit; None of a single observation.
    """

    value: float
    standard_error: float | None


def average(values) -> Estimate:
    """The mean of independent observations, such as one a test image.

    Args:
        values: Array of shape `(count,)`, at least one; booleans give a share.

    Returns:
        The mean, and as its error the standard deviation over the root of the count. A share of 0
        or 1 has an error of 0: no observation was seen to differ.
    """
    values = np.asarray(values, "float64")
    count = len(values)
    error = float(values.std(ddof=1) / math.sqrt(count)) if count > 1 else None
    return Estimate(float(values.mean()), error)
