"""The pictures of a run of a table: each function draws one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_cvae import evaluation, plots
from keras_cvae.runs.pictures import loss

if TYPE_CHECKING:
    from keras_cvae.runs.tables import TableRun

MOST = 10_000  # rows


def marginals(run: TableRun, *, count=MOST, seed=0, data=None):
    """Draws what each column holds in test rows, and in as many generated for their conditions."""
    real, drawn = run.real_and_drawn(count, seed, data)
    units = {column.name: column.unit for column in run.table.learned}
    return plots.marginals(real, drawn, run.model.likelihood.columns, units=units)


def correlations(run: TableRun, *, count=MOST, seed=0, data=None):
    """Draws what each two columns tell of each other in the same rows."""
    columns = run.model.likelihood.columns
    pair = [
        evaluation.associations(rows, run.categories)
        for rows in run.real_and_drawn(count, seed, data)
    ]
    return plots.correlations(*pair, list(columns))


_ALL = marginals, correlations, loss
KINDS = {picture.__name__: picture for picture in _ALL}
PICTURES = {"loss_curves.png": loss, "correlations.png": correlations, "marginals.png": marginals}
