"""A number with its standard error, and how far its estimation has come."""

from __future__ import annotations

import math
import sys
from typing import NamedTuple

import keras
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


def progress(count: int, unit: str, verbose: int) -> keras.utils.Progbar:
    """A bar of so many units; where nobody sees it move, as in a log, it is drawn once a minute."""
    is_seen = sys.stdout.isatty() or "ipykernel" in sys.modules
    interval = 0.05 if is_seen else 60.0
    return keras.utils.Progbar(count, verbose=verbose, interval=interval, unit_name=unit)
