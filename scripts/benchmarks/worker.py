"""Runs one program of the benchmark in its own process.

`python worker.py SPEC`, where SPEC is a JSON object. Each line of its standard input is a number
of epochs to run; it answers with JSON lines, and ends when its input ends.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import time
import traceback
from pathlib import Path

import architecture


def main() -> None:
    """Import the program, report that it is ready, and run it for each line of the input."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # so that output of the framework is not taken for an answer

    def answer(**fields):
        print(json.dumps(fields), file=answers)

    spec = json.loads(sys.argv[1])
    try:
        module, function = spec["function"].split(":")
        contender = getattr(importlib.import_module(module), function)
        data = architecture.load(spec["data"], spec["images"])
        before = _reset_peak()
        options = spec["options"]
        epoch = contender(data, spec["model"], spec["batch_size"], spec["seed"], **options)
        answer(ready=True)
        for line in sys.stdin:
            cpu, start = time.process_time(), time.perf_counter()
            value = _run(epoch, int(line))
            seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
            answer(seconds=seconds, cpu=cpu, value=value, peak=_peak() - before)
    except Exception as error:
        traceback.print_exc()
        answer(error=" ".join(traceback.format_exception_only(error)[0].split()))


def _run(epoch, count):
    if inspect.signature(epoch).parameters:  # `fit` takes a number of epochs
        return epoch(count)
    return [epoch() for _ in range(count)][-1]


def _peak() -> float:
    """Peak resident memory since the last reset, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)


def _reset_peak() -> float:
    """Resets the peak to the current memory, if the system allows it, and returns the peak."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass
    return _peak()


if __name__ == "__main__":
    main()
