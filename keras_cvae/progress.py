"""How far a measure has come."""

from __future__ import annotations

import sys

import keras


def bar(count: int, unit: str, verbose: int) -> keras.utils.Progbar:
    """A progress bar; where nobody sees it move, as in a log, it is printed once a minute.

    Args:
        count: Of how many units.
        unit: What a unit is called.
        verbose: 1 shows the bar, 0 does not.
    """
    is_notebook = type(sys.stdout).__module__.startswith("ipykernel.")
    is_seen = is_notebook or sys.stdout.isatty()
    interval = 0.05 if is_seen else 60.0
    return keras.utils.Progbar(count, verbose=verbose, interval=interval, unit_name=unit)
