"""The pictures of a run of a table: each function takes a `TableRun` and draws one."""

from __future__ import annotations

from keras_cvae import evaluation, plots
from keras_cvae.runs.pictures import loss

MOST = 10_000  # rows


def marginals(run, *, count=MOST, seed=0, data=None):
    """Draws each column of test rows, and of as many rows generated for their conditions."""
    return plots.marginals(*run.real_and_generated(count, seed, data), run.table.learned)


def correlations(run, *, count=MOST, seed=0, data=None):
    """Draws how each two columns of the same rows are associated."""
    rows = run.real_and_generated(count, seed, data)
    pair = [evaluation.associations(part, run.levels) for part in rows]
    return plots.correlations(*pair, [column.name for column in run.table.learned])


_ALL = marginals, correlations, loss
KINDS = {picture.__name__: picture for picture in _ALL}
PICTURES = {"loss_curves.png": loss, "correlations.png": correlations, "marginals.png": marginals}
