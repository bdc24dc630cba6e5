"""Runs side by side: their measures and settings as tables, and their curves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from keras_cvae import plots
from keras_cvae.checks import require
from keras_cvae.html import Picture, Table
from keras_cvae.runs.metrics import EVALUATIONS
from keras_cvae.runs.reading import Run
from keras_cvae.runs.report import Section, number, page, setting


def write(runs: Sequence[Run], path: Path) -> str:
    """Writes a page that compares runs.

    Args:
        runs: Two runs or more, of the same kind of data.
        path: The HTML file.

    Returns:
        The table of measures, as lines of text.

    Raises:
        ValueError: If there are fewer than two runs, or runs of images and of tables.
    """
    require(len(runs) > 1, None, "There must be two runs or more to compare", len(runs))
    examples = sorted({run.example for run in runs})
    received = " and ".join(f"{example}s" for example in examples)
    require(len(examples) == 1, None, "Runs must be of one kind of data", f"runs of {received}")
    names = _names(runs)
    rows = _rows([_measures(run) for run in runs])
    settings = [{**run.config["model"], **run.config["training"]} for run in runs]
    different = [
        row
        for row in _rows([{k: setting(v) for k, v in each.items()} for each in settings])
        if len({*row[1:]}) > 1 and row[0] != "condition"
    ]
    histories = {name: run.history for name, run in zip(names, runs, strict=True)}
    curves = plots.compared_curves(histories, unit=f"nats per {runs[0].example}")
    data = {run.config["data"]["digest"] for run in runs}
    remarks = [] if len(data) == 1 else ["The runs were trained and measured on different data."]
    sections = [
        Section("Measures", parts=[Table(("measure", *names), rows)]),
        Section("Curves", parts=[Picture(curves, "The ELBO by epoch.", is_drawing=True)]),
        Section("Settings that differ", parts=[Table(("setting", *names), different)]),
    ]
    text = [
        f"{name}: {run.summary().splitlines()[0]}" for name, run in zip(names, runs, strict=True)
    ]
    page(path, f"{len(runs)} runs", text, remarks, sections, runs[0].config["versions"])
    lines = [["measure", *names], *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _names(runs):
    """Returns the names of the folders, or their paths where names are equal."""
    names = [run.folder.name for run in runs]
    return names if len({*names}) == len(names) else [str(run.folder) for run in runs]


def _measures(run):
    """Returns the measures of a run by name, as texts, those of `evaluate` last."""
    metrics = run.metrics
    error = metrics.get("standard_error")
    measures = {name: number(metrics.get(name)) for name in ("elbo", *run.model.elbo_terms)}
    if error is not None:
        measures["elbo"] += f" ± {number(error)}"
    for report in metrics.get(EVALUATIONS, {}).values():
        for measure in report["measures"]:
            error = measure["standard_error"]
            text = number(measure["value"]) + (f" ± {number(error)}" if error is not None else "")
            measures.setdefault(measure["name"], text)
    return measures


def _rows(columns):
    """Returns a row for each name, empty where a column does not have it."""
    names = dict.fromkeys(name for column in columns for name in column)
    return [[name, *(column.get(name, "") for column in columns)] for name in names]
