"""Sections of the report of a run of a table."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from keras_cvae import evaluation, plots
from keras_cvae.html import Picture, Table
from keras_cvae.runs.report import Section

MOST = 10_000  # rows compared
MOST_JUDGED = 2000  # rows compared for the remark
FAR = 0.15  # distance of a column above which its generated cells look wrong
SHOWN = 8  # generated rows


def sections(run) -> Iterator[Section]:
    """Yields the sections of a run of a table.

    Args:
        run: A `TableRun`.
    """
    seed = run.config["training"]["seed"]
    real, generated = run.generate_for_test_rows(MOST, seed)
    columns = run.table.learned
    rows = run.generate(count=SHOWN, seed=seed)
    rows = rows.astype(str).mask(rows.isna(), "")
    sample = Table([*rows.columns], rows.to_numpy().tolist(), f"Generated rows, seed {seed}.")
    yield Section("Generated rows", parts=[sample])
    caption = f"{len(real)} test rows and as many generated for the same conditions."
    yield Section(
        "Columns",
        parts=[
            _columns(real, generated, columns, run.levels),
            Picture(plots.marginals(real, generated, columns, title=""), caption),
        ],
    )
    if len(columns) > 1:
        of_real = evaluation.associations(real, run.levels)
        of_generated = evaluation.associations(generated, run.levels)
        names = [column.name for column in columns]
        caption = "Association of each two columns, of test rows and of generated rows."
        picture = Picture(plots.correlations(of_real, of_generated, names), caption)
        yield Section("Pairs of columns", parts=[picture, _pairs(of_real, of_generated, names)])


def remarks(run) -> Iterator[str]:
    """Yields a sentence on the column whose generated cells differ most from real ones.

    Args:
        run: A `TableRun`.
    """
    real, generated = run.generate_for_test_rows(MOST_JUDGED, run.config["training"]["seed"])
    distances = np.nan_to_num(evaluation.distances(real, generated, run.levels))
    worst = int(distances.argmax())
    names = [column.name for column in run.table.learned]
    sentence = f"Columns: the distance of generated from test rows is greatest in {names[worst]}, "
    sentence += f"{distances[worst]:.2f}, and {distances.mean():.2f} in the mean, from 0 (equal) "
    sentence += "to 1"
    if distances[worst] > FAR:
        sentence += ". Compare them in marginals.png: train longer, or on more rows"
    yield f"{sentence}."


def _columns(real, generated, columns, levels):
    """Returns a table of the columns, the worst first."""
    distances = evaluation.distances(real, generated, levels)
    rows = []
    for place in np.argsort(-np.nan_to_num(distances), kind="stable"):
        missing = [f"{np.isnan(part[:, place]).mean():.1%}" for part in (real, generated)]
        valid = _valid(real[:, place], generated[:, place], levels[place])
        kind = "number" if levels[place] is None else f"{levels[place]} categories"
        rows.append([columns[place].name, kind, f"{distances[place]:.3f}", *missing, valid])
    header = "column", "kind", "distance", "missing, real", "missing, generated", "in range"
    caption = "Distance: Kolmogorov-Smirnov of numbers, total variation of categories, from 0 to "
    caption += "1. In range: generated cells between the least and greatest cell of the test rows."
    return Table(header, rows, caption)


def _valid(real, generated, levels):
    known = generated[~np.isnan(generated)]
    if not len(known) or np.isnan(real).all():
        return ""
    ends = (np.nanmin(real), np.nanmax(real)) if levels is None else (0, levels - 1)
    return f"{np.mean((known >= ends[0]) & (known <= ends[1])):.1%}"


def _pairs(real, generated, names, most=10):
    differences = np.abs(real - generated)
    first, second = np.triu_indices(len(names), 1)
    worst = np.argsort(-differences[first, second], kind="stable")[:most]
    rows = [
        [f"{names[i]}, {names[j]}", *(f"{v:.2f}" for v in (real[i, j], generated[i, j]))]
        for i, j in zip(first[worst], second[worst], strict=True)
    ]
    return Table(("columns", "real", "generated"), rows, "The pairs that differ most.")
