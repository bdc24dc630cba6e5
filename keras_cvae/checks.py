"""Checks of arguments, before any work begins.

Each function raises an `ArgumentError`, or returns the value, converted to the type it checks for.
"""

from __future__ import annotations

import contextlib
import difflib
import math
import numbers
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np


class ArgumentError(ValueError):
    """A wrong argument: "`argument` expected; `advice[0]` advice[1]. Received: received".

    Args:
        argument: Name of the argument, or None where `expected` is a whole sentence, of a file or a
            column.
        expected: The rest of the sentence without its full stop, such as "must be even".
        received: What came instead, as the user would recognise it.
        advice: Optional argument that helps, with or without a value, and what it does:
            `("image_size=32", "resizes them")`.
    """

    def __init__(
        self,
        argument: str | None,
        expected: str,
        received: Any,
        advice: tuple[str, str] | None = None,
    ):
        super().__init__(argument, expected, received, advice)
        self.argument = argument
        self.expected = expected
        self.received = received
        self.advice = advice

    def __str__(self):
        subject = "" if self.argument is None else f"`{self.argument}` "
        advice = f"; `{self.advice[0]}` {self.advice[1]}" if self.advice else ""
        sentence = f"{subject}{self.expected}{advice}"
        stop = "" if sentence.endswith("?") else "."
        return f"{sentence}{stop} Received: {self.received}"

    def rename_arguments(self, names: Mapping[str, str]) -> ArgumentError:
        """Returns the same error with other names for arguments, such as those of options.

        Args:
            names: Dict from the names in this error to new ones. An argument without a new name
                keeps its own. Advice about such an argument is left out, because the
                reader of the message does not know it.
        """
        argument, advice = names.get(self.argument, self.argument), None
        if self.advice:
            name, _, _ = self.advice[0].partition("=")
            advice = (names[name], self.advice[1]) if name in names else None
        return ArgumentError(argument, self.expected, self.received, advice)


class ArgumentErrors(ValueError):
    """Several wrong arguments at once, such as columns of a table, each on a line of its own.

    Args:
        errors: The error of each.
    """

    def __init__(self, errors: Sequence[ArgumentError]):
        super().__init__(errors)
        self.errors = errors

    def __str__(self):
        return "\n".join(map(str, self.errors))

    def rename_arguments(self, names: Mapping[str, str]) -> ArgumentErrors:
        """Returns the same errors with other names for their arguments, as `ArgumentError` does."""
        return ArgumentErrors([error.rename_arguments(names) for error in self.errors])


def require(
    condition: Any,
    argument: str | None,
    expected: str,
    received: Any,
    advice: tuple[str, str] | None = None,
) -> None:
    """Raises an `ArgumentError` unless the condition is true.

    Args:
        condition: Anything that is true or false.
        argument: As for `ArgumentError`.
        expected: As for `ArgumentError`.
        received: As for `ArgumentError`.
        advice: As for `ArgumentError`.

    Raises:
        ArgumentError: If the condition is false.
    """
    if not condition:
        raise ArgumentError(argument, expected, received, advice)


@contextlib.contextmanager
def explain(
    argument: str | None,
    expected: str,
    errors: type[Exception] | tuple[type[Exception], ...] = Exception,
    advice: tuple[str, str] | None = None,
) -> Iterator[None]:
    """Raises an `ArgumentError` in place of the errors that other libraries raise on bad data.

    Args:
        argument: As for `ArgumentError`.
        expected: As for `ArgumentError`.
        errors: The errors to explain; others are raised unchanged.
        advice: As for `ArgumentError`.
    """
    try:
        yield
    except errors as error:
        received = f"{type(error).__name__}: {error}"
        raise ArgumentError(argument, expected, received, advice) from error


def look_up(argument: str, name: Any, choices: Mapping[str, Any]) -> Any:
    """Returns `choices[name]`, or explains which names `argument` may take.

    Args:
        argument: The name of the argument, for the message.
        name: What the user passed.
        choices: The known names and what they stand for.

    Raises:
        ValueError: If `name` is not one of `choices`; the message suggests the nearest one.
    """
    known = isinstance(name, str) and name in choices
    expected = f"must be one of {', '.join(map(repr, choices))}"
    require(known, argument, expected + nearest(name, choices), repr(name))
    return choices[name]


def member(
    argument: str, identifier: Any, kind: type, names: Mapping[str, type], **options: Any
) -> Any:
    """Returns the member of a family that `identifier` names, or `identifier` if it is one itself.

    Args:
        argument: The name of the argument, for the message.
        identifier: One of `names`, or an object of the family.
        kind: The base class of the family.
        names: The classes of the family by name. All their arguments have defaults.
        **options: Arguments of the class, if `identifier` is a name.

    Raises:
        ValueError: If it is neither.
    """
    if isinstance(identifier, kind):
        return identifier
    return look_up(argument, identifier, names)(**options)


def nearest(name: Any, choices: Iterable[str], cutoff: float = 0.4) -> str:
    """Returns ". Did you mean 'x'?" for the choice x most like `name`, or an empty string.

    Args:
        name: What the user passed.
        choices: The known names.
        cutoff: The least similarity, from 0 to 1, as for `difflib.get_close_matches`.
    """
    spellings = (name, name.lower()) if isinstance(name, str) else ()
    matches = [m for text in spellings for m in difflib.get_close_matches(text, choices, 1, cutoff)]
    return f". Did you mean {matches[0]!r}?" if matches else ""


def integer(argument: str, value: Any, *, least: int, most: float = math.inf) -> int:
    """Returns a checked integer from `least` to `most`; a boolean is not accepted.

    Raises:
        ValueError: If `value` is anything else.
    """
    bounds = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    valid = _is_integer(value) and least <= value <= most
    require(valid, argument, f"must be an integer {bounds}", repr(value))
    return operator.index(value)


def integers(
    argument: str, values: Any, *, least: int = 1, count: int | None = None
) -> tuple[int, ...]:
    """Returns checked integers of at least `least`: `count` of them, or one or more.

    Raises:
        ValueError: If `values` is not a list or tuple of them.
    """
    listed = values if isinstance(values, (list, tuple)) else ()
    valid = listed and all(_is_integer(value) and value >= least for value in listed)
    number = "one or more" if count is None else count
    expected = f"must be a list or tuple of {number} integers of at least {least}"
    require(valid and count in (None, len(listed)), argument, expected, repr(values))
    return tuple(map(operator.index, values))


def boolean(argument: str, value: Any) -> bool:
    """Returns a checked boolean, of Python or of NumPy.

    Raises:
        ValueError: If `value` is anything else.
    """
    require(isinstance(value, (bool, np.bool_)), argument, "must be True or False", repr(value))
    return bool(value)


def number(
    argument: str,
    value: Any,
    *,
    least: float = -math.inf,
    most: float = math.inf,
    above: float = -math.inf,
    below: float = math.inf,
) -> float:
    """Returns a checked, finite number; a boolean is not accepted.

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
    limits = " and ".join(
        f"{name} {bound}" for name, bound in bounds.items() if abs(bound) < np.inf
    )
    is_number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    valid = is_number and math.isfinite(value) and least <= value <= most and above < value < below
    require(valid, argument, f"must be a finite number {limits}".rstrip(), repr(value))
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
    expected = f"must be a non-empty array of {kind}, of shape ({sizes})"
    source, converted = convert(argument, expected, values, dtype)
    require(not whole or source.dtype.kind in "iu", argument, expected, f"{source.dtype} values")
    fits = len(shape) == source.ndim and all(
        size in (None, length) for size, length in zip(shape, source.shape, strict=True)
    )
    require(fits and source.size, argument, expected, f"shape {source.shape}")
    require(np.isfinite(converted).all(), argument, expected, "NaN or infinite values")
    return converted


def convert(argument: str, expected: str, values: Any, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns `values` twice: as an array of their own data type, and as an array of `dtype`.

    Raises:
        ValueError: If `values` is not an array of numbers.
    """
    try:
        source = np.asarray(values)
        return source, source.astype(dtype)
    except (TypeError, ValueError) as error:
        raise ArgumentError(argument, expected, f"{type(values).__name__} ({error})") from error


def _is_integer(value):
    if isinstance(value, bool):
        return False
    try:
        operator.index(value)
    except TypeError:
        return False
    return True
