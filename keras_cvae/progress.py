"""Progress bars."""

from __future__ import annotations

import sys

import keras


def bar(count: int, unit: str, verbose: int) -> keras.utils.Progbar:
    """Returns a progress bar; in a log file it is printed once a minute.

    Args:
        count: The number of units of work.
        unit: The name of a unit.
        verbose: 1 shows the bar, 0 does not.
    """
    is_notebook = type(sys.stdout).__module__.startswith("ipykernel.")
    is_interactive = is_notebook or sys.stdout.isatty()
    interval = 0.05 if is_interactive else 60.0  # seconds
    return keras.utils.Progbar(count, verbose=verbose, interval=interval, unit_name=unit)
