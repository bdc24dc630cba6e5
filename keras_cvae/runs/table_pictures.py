"""The pictures of a run of a table: each function takes a `TableRun` and draws one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keras_cvae import evaluation, plots
from keras_cvae.runs.pictures import loss

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 10_000  # rows


def marginals(run, *, count=MOST, seed=0, data=None) -> Figure:
    """Draws each column of test rows, and of as many rows generated for their conditions."""
    real, generated = run.generate_for_test_rows(count, seed, data)
    return plots.marginals(real, generated, run.table.learned)


def correlations(run, *, count=MOST, seed=0, data=None) -> Figure:
    """Draws the associations of each two columns of the same rows."""
    rows = run.generate_for_test_rows(count, seed, data)
    real, generated = (evaluation.associations(part, run.levels) for part in rows)
    return plots.correlations(real, generated, [column.name for column in run.table.learned])


_ALL = marginals, correlations, loss
KINDS = {picture.__name__: picture for picture in _ALL}
PICTURES = {"loss_curves.png": loss, "correlations.png": correlations, "marginals.png": marginals}
