"""Measures a run, and writes the measures into its folder."""

from __future__ import annotations

from keras_cvae import datasets, evaluation
from keras_cvae.runs import metrics
from keras_cvae.runs import report as reporting
from keras_cvae.runs.metrics import EVALUATIONS
from keras_cvae.runs.reading import Run


def evaluate(run: Run, data: str | None = None, **options) -> evaluation.Report:
    """Measures a run with all measures that apply; adds them to its metrics and its report.

    The metrics contain a report for each name of data. The measures of an unfinished run are not
    saved, because a run with a file of metrics counts as finished.

    Args:
        run: The run.
        data: Name or path of other data than it was trained on.
        **options: Options of `evaluation.measure`: `samples`, `limit`, `seed`, `verbose` and
            `on_stage`.

    Returns:
        The report.

    Raises:
        ValueError: As for `evaluation.measure`, or if the data or the metrics cannot be read,
            before anything is computed.
    """
    dataset = run.dataset_of(data)
    kept = None if run.unfinished else run.metrics
    others = (kept or {}).get(EVALUATIONS, {})
    report = evaluation.measure(run.model, dataset, **options)
    report.measures += run.measures(dataset, options.get("seed", 0))
    name = run.config["data"]["name"] if data is None else str(data)
    report.protocol |= {"data": name, "digest": datasets.digest(dataset)}
    if kept is not None:
        content = {**kept, EVALUATIONS: {**others, name: report.as_dict()}}
        metrics.write(run.folder, content)
        reporting.write(run)
    return report
