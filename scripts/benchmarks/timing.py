"""How long a call takes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable


def seconds(run: Callable, rounds: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Median seconds of a call by a clock, after one call that is not counted."""
    run()
    found = []
    for _ in range(rounds):
        began = clock()
        run()
        found.append(clock() - began)
    return statistics.median(found)
