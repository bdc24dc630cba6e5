"""What a wrong name is told: which names exist, and which one was probably meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any


def look_up(argument: str, name: Any, choices: Mapping[str, Any]) -> Any:
    """Returns `choices[name]`, or explains which names `argument` may take.

    Args:
        argument: The name of the argument, for the message.
        name: What the user passed.
        choices: The known names and what they stand for.

    Raises:
        ValueError: If `name` is not one of `choices`; the message gives the nearest one.
    """
    if isinstance(name, str) and name in choices:
        return choices[name]
    nearest = difflib.get_close_matches(str(name), choices, n=1, cutoff=0.4)
    hint = f" Did you mean {nearest[0]!r}?" if nearest else ""
    known = ", ".join(repr(choice) for choice in choices)
    raise ValueError(f"`{argument}` must be one of {known}.{hint} Received: {name!r}")
