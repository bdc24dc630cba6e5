"""The controls of a condition, and the y of their values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.conditions import UNKNOWN

UNKNOWN_NAME = "any"
SPREAD = 3.0  # standard deviations to either side of the mean
STEPS = -2.0, -1.0, 0.0, 1.0, 2.0  # variants of a number, in standard deviations from the mean


class Control(NamedTuple):
    """A class to choose, or a number to set.

    Attributes:
        name: Its name.
        choices: Names and labels of the classes; empty for a number.
        mean: The mean of a number in the training data.
        deviation: Its standard deviation.
    """

    name: str
    choices: tuple[tuple[str, int], ...] = ()
    mean: float = 0.0
    deviation: float = 1.0

    @property
    def start(self) -> float:
        """The initial value: the first class, or the mean."""
        return self.choices[0][1] if self.choices else self.mean

    @property
    def variants(self) -> list[tuple[str, float]]:
        """Captions and values that show its effect: every class, or numbers around the mean."""
        if self.choices:
            return [*self.choices]
        values = [self.mean + step * self.deviation for step in STEPS]
        return [(f"{self.name} {value:.3g}", value) for value in values]


def of(condition, class_names: Sequence[str] = ()) -> list[Control]:
    """Returns the controls of a condition.

    Args:
        condition: The condition of a model, or None.
        class_names: Names of the classes, if y is a class.

    Raises:
        ValueError: If a part of it is neither classes nor numbers, such as an image.
    """
    if condition is None:
        return []
    if not condition.attributes:
        return _of_one("class" if condition.classes else "y", condition, class_names)
    parts = condition.attributes.items()
    return [control for name, part in parts for control in _of_one(name, part, part.classes)]


def to_y(condition, rows: Sequence[Sequence[float]]) -> Any:
    """Converts values of the controls to y of `CVAE.generate`.

    Args:
        condition: The condition of a model, or None.
        rows: For each example, a value for each control.
    """
    if condition is None:
        return None
    table = np.array(rows, "float64")
    if not condition.attributes:
        return _to_one(condition, table)
    y, start = {}, 0
    for name, part in condition.attributes.items():
        size = len(_of_one(name, part, part.classes))
        y[name] = _to_one(part, table[:, start : start + size])
        start += size
    return y


def _of_one(name, part, class_names):
    if part.classes:
        choices = [*zip(class_names or part.classes, range(len(part.classes)), strict=True)]
        if part.has_seen_unknown:
            choices.append((UNKNOWN_NAME, UNKNOWN))
        return [Control(name, tuple(choices))]
    scales = part.mean_and_deviation()
    if scales is None:
        expected = f"The explorer needs a condition of classes or numbers as {name}"
        raise ArgumentError(None, expected, f"conditions.{type(part).__name__}")
    means, deviations = scales
    names = [name] if len(means) == 1 else [f"{name}[{place}]" for place in range(len(means))]
    numbers = zip(names, means, deviations, strict=True)
    return [Control(name, (), float(mean), float(deviation)) for name, mean, deviation in numbers]


def _to_one(part, table):
    return table[:, 0].astype("int32") if part.classes else table
