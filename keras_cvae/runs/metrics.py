"""The measures of a run, in a file of its folder that is never half written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from keras_cvae import whole_files
from keras_cvae.checks import explain, require

NAME = "metrics.json"
EVALUATIONS = "evaluations"  # the key under which reports are kept, by name of data
TEXTS = "prior", "unit"
DAMAGE = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


def write(folder: Path, metrics: dict[str, Any]) -> None:
    """Writes the measures of a run, in place of earlier ones."""
    whole_files.write_text(folder / NAME, json.dumps(metrics, indent=2) + "\n")


def read(folder: Path, example: str) -> dict[str, Any]:
    """Returns the measures of a run.

    Args:
        folder: The folder of the run.
        example: The word for one example.

    Raises:
        ValueError: If the file is damaged.
    """
    path = folder / NAME
    with explain(None, f"'{path}' is damaged", DAMAGE):
        metrics = dict(json.loads(path.read_text("utf-8")))
        names = {*metrics} - {*TEXTS, EVALUATIONS}
        _require_numbers([metrics[name] for name in names])
        if names - {"epoch"}:  # else nothing was measured
            needed = "elbo", "standard_error", "draws", f"{example}s"
            _require_numbers([metrics[name] for name in needed])
        reports = metrics.get(EVALUATIONS, {})
        require(isinstance(reports, dict), None, "Reports are kept by name of data", reports)
        for report in reports.values():
            _check(**report)
    return metrics


def _check(protocol, measures, **others):
    """Checks a report, `evaluation.Report.as_dict()`, for what pages show of it."""
    for name in ("test_examples", "seed", "standard_errors"):
        protocol[name]
    for measure in measures:
        value = measure["value"]
        beside = [measure[name] for name in ("standard_error", "real")]
        numbers = value if isinstance(value, list) else [value]
        require(len(numbers), None, "A measure must have a value", measure)
        _require_numbers([*numbers, *(each for each in beside if each is not None)])
        texts = [measure[name] for name in ("name", "unit", "how", "remark")]
        are_texts = all(isinstance(text, str) for text in texts)
        require(are_texts, None, "A measure must have texts", texts)


def _require_numbers(values):
    for value in values:
        require(isinstance(value, (int, float)), None, "A measure must be a number", value)
        float(value)  # too large an integer is an error
