"""Quality of the rows that a model by `keras-cvae train` generates, for several seeds.

    python scripts/experiments/rows.py diamonds.csv price --seeds 3

A fifth of the rows are test rows. Each seed splits the others: an eighth is held out for measuring,
and the model is trained on the rest. Boosted trees that predict the target column are trained on
generated rows, or on real rows for comparison, and tested on held-out rows (R2 for numbers, the
area under the ROC curve for two classes). The other measures are those of `keras-cvae evaluate`.
`--test` measures on the test rows instead: use it once, after all settings are chosen.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
import typer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score

from keras_cvae import evaluation, runs


def split(frame: pd.DataFrame, seed: int, test: bool) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns rows to train on, and rows to measure on."""
    order = np.random.default_rng(0).permutation(len(frame))
    test_rows, rest = np.split(order, [len(frame) // 5])
    rest = np.random.default_rng(seed).permutation(rest)
    held_out, train = np.split(rest, [len(rest) // 8])
    parts = (rest, test_rows) if test else (train, held_out)
    return tuple(frame.iloc[rows].reset_index(drop=True) for rows in parts)


def score_trees(x, held_out, column: int, is_number: bool, seed: int) -> float:
    """Returns the score of boosted trees trained on rows `x` to predict a column."""
    parts = [(np.delete(rows, column, 1), rows[:, column]) for rows in (x, held_out)]
    (x_train, y_train), (x_test, y_test) = [(a[~np.isnan(b)], b[~np.isnan(b)]) for a, b in parts]
    if is_number:
        trees = HistGradientBoostingRegressor(random_state=seed).fit(x_train, y_train)
        return float(r2_score(y_test, trees.predict(x_test)))
    trees = HistGradientBoostingClassifier(random_state=seed).fit(x_train, y_train)
    return float(roc_auc_score(y_test, trees.predict_proba(x_test)[:, 1]))


def main(
    data: Annotated[Path, typer.Argument(help="A .csv or .parquet file.")],
    target: Annotated[str, typer.Argument(help="A column of numbers or of two classes.")],
    seeds: int = 3,
    test: Annotated[bool, typer.Option("--test", help="Measure on the test rows.")] = False,
) -> None:
    """Print the measures for each seed, with those of real rows in parentheses."""
    frame = pd.read_parquet(data) if data.suffix == ".parquet" else pd.read_csv(data)
    for seed in range(seeds):
        train, held_out = split(frame, seed, test)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "train.parquet")
            train.to_parquet(path)
            start = time.process_time()
            run = runs.train_table(path, Path(folder, "run"), seed=seed, measure=False, verbose=0)
            seconds = time.process_time() - start
            generated = run.generate(count=len(train), seed=seed)
        real, rows, others = (run.table.arrays(each)[0] for each in (held_out, generated, train))
        names = [column.name for column in run.table.learned]
        column, levels = names.index(target), run.levels
        scores = [
            score_trees(each, real, column, levels[column] is None, seed) for each in (rows, others)
        ]
        count = len(real)
        measures = evaluation.likeness(real, rows[:count], others[:count], levels, seed=seed)
        print(f"seed {seed}, {seconds:.0f} s of processor time")
        print(f"  boosted trees {scores[0]:.3f} ({scores[1]:.3f})")
        for measure in measures:
            print(f"  {measure.name} {measure.value:.3f} ({measure.real:.3f})", flush=True)


if __name__ == "__main__":
    typer.run(main)
