"""Argument checks in one dialect: what a wrong argument is told, before any work begins.

Every message is a `ValueError` that reads "`argument` must be EXPECTED. Received: ...". Each check
returns the value in the type that it has asked for.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np


def require(condition: Any, expected: str, received: Any) -> None:
    """Raises "EXPECTED. Received: RECEIVED" unless the condition holds.

    Args:
        condition: Anything that is true or false.
        expected: A sentence without its full stop, such as "`count` must be even".
        received: What came instead, put as the user would recognise it.

    Raises:
        ValueError: If the condition is false.
    """
    if not condition:
        raise ValueError(_message(expected, received))


@contextlib.contextmanager
def explain(
    expected: str, errors: type[Exception] | tuple[type[Exception], ...] = Exception
) -> Iterator[None]:
    """Turns what other libraries raise on bad data into a `ValueError` of this dialect.

    Args:
        expected: A sentence without its full stop.
        errors: The errors that are meant; others pass.
    """
    try:
        yield
    except errors as error:
        raise ValueError(_message(expected, f"{type(error).__name__}: {error}")) from error


def look_up(argument: str, name: Any, choices: Mapping[str, Any]) -> Any:
    """Returns `choices[name]`, or explains which names `argument` may take.

    Args:
        argument: The name of the argument, for the message.
        name: What the user passed.
        choices: The known names and what they stand for.

    Raises:
        ValueError: If `name` is not one of `choices`; the message gives the nearest one.
    """
    known = isinstance(name, str) and name in choices
    expected = f"`{argument}` must be one of {', '.join(map(repr, choices))}"
    require(known, expected + nearest(name, choices), repr(name))
    return choices[name]


def member(
    argument: str, identifier: Any, kind: type, names: Mapping[str, type], **options: Any
) -> Any:
    """Returns the member of a family that `identifier` names, or `identifier` if it is one itself.

    Args:
        argument: The name of the argument, for the message.
        identifier: One of `names`, or an object of the family.
        kind: What all members of the family are.
        names: Its members by name, which can be made without arguments.
        **options: Arguments of a new one.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(identifier, kind):
        return identifier
    return look_up(argument, identifier, names)(**options)


def nearest(name: Any, choices: Iterable[str], cutoff: float = 0.4) -> str:
    """Returns a question after the choice that was probably meant, or nothing.

    Args:
        name: What the user passed.
        choices: The known names.
        cutoff: How alike they must be, from 0 to 1.
    """
    spellings = (name, name.lower()) if isinstance(name, str) else ()
    found = [m for text in spellings for m in difflib.get_close_matches(text, choices, 1, cutoff)]
    return f". Did you mean {found[0]!r}?" if found else ""


def integer(argument: str, value: Any, *, least: int, most: float = math.inf) -> int:
    """Returns a checked integer from `least` to `most`; a boolean is none.

    Raises:
        ValueError: If `value` is anything else.
    """
    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    valid = _is_integer(value) and least <= value <= most
    require(valid, f"`{argument}` must be an integer {bounds}", repr(value))
    return operator.index(value)


def integers(
    argument: str, values: Any, *, least: int = 1, count: int | None = None
) -> tuple[int, ...]:
    """Returns checked integers of at least `least`: `count` of them, or one or more.

    Raises:
        ValueError: If `values` is no list or tuple of them.
    """
    listed = values if isinstance(values, (list, tuple)) else ()
    valid = listed and all(_is_integer(value) and value >= least for value in listed)
    number = "one or more" if count is None else count
    expected = f"`{argument}` must be a list or tuple of {number} integers of at least {least}"
    require(valid and count in (None, len(listed)), expected, repr(values))
    return tuple(map(operator.index, values))


def number(
    argument: str,
    value: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Returns a checked, finite number; a boolean is none.

    Args:
        argument: The name of the argument, for the message.
        value: What the user passed.
        least: The smallest number allowed.
        most: The largest number allowed.
        above: A number that `value` must exceed.
        below: A number that `value` must stay under.

    Raises:
        ValueError: If `value` is anything else.
    """
    bounds = {"of at least": least, "above": above, "of at most": most, "below": below}
    said = " and ".join(f"{name} {bound}" for name, bound in bounds.items() if abs(bound) < np.inf)
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    valid = is_number and math.isfinite(value) and least <= value <= most and above < value < below
    require(valid, f"`{argument}` must be a finite number {said}".rstrip(), repr(value))
    return float(value)


def array(
    argument: str, values: Any, shape: tuple[int | None, ...], dtype: str = "float64"
) -> np.ndarray:
    """Returns a checked array of finite numbers, at least one.

    Args:
        argument: The name of the argument, for the message.
        values: What the user passed.
        shape: The shape, where `None` is any length.
        dtype: Of the array returned; if it is one of integers, `values` must be integers too.

    Raises:
        ValueError: If `values` is anything else.
    """
    whole = np.dtype(dtype).kind in "iu"
    sizes = ", ".join("any" if size is None else str(size) for size in shape)
    sizes += "," * (len(shape) == 1)
    kind = "integers" if whole else "finite numbers"
    expected = f"`{argument}` must be a non-empty array of {kind}, of shape ({sizes})"
    given, converted = convert(expected, values, dtype)
    require(not whole or given.dtype.kind in "iu", expected, f"{given.dtype} values")
    fits = len(shape) == given.ndim and all(
        size in (None, found) for size, found in zip(shape, given.shape, strict=True)
    )
    require(fits and given.size, expected, f"shape {given.shape}")
    require(np.isfinite(converted).all(), expected, "NaN or infinite values")
    return converted


def convert(expected: str, values: Any, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns `values` as an array of whatever type they have, and as one of `dtype`.

    Raises:
        ValueError: That says what was expected, if they are no array of numbers.
    """
    try:
        given = np.asarray(values)
        return given, given.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(_message(expected, f"{type(values).__name__} ({error})")) from error


def _message(expected, received):
    return f"{expected}{'' if expected.endswith('?') else '.'} Received: {received}"


def _is_integer(value):
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True
