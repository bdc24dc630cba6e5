"""Generated rows of tables: a conditional VAE compared with SMOTE and a Gaussian copula.

    python scripts/experiments/tables.py wine diabetes --seeds 5

Four tables come with scikit-learn; `customers` are 50,000 synthetic rows. Each seed splits a table
in two halves. Models are trained on the first half, and settings are chosen by cross-validation on
it: the epochs of the VAE by log p(x | y); for oversampling, the temperature of the VAE and the
number of neighbours of SMOTE by the balanced accuracy of a random forest. All figures are measured
on the second half, and saved in `--out`.

The first result is about as many generated rows as there are in the first half: the distance of
marginals (Kolmogorov-Smirnov, for categories total variation) and of rank correlations, the
balanced accuracy of a random forest trained on generated rows only, and the distance to the closest
training row divided by that of rows of the second half: far below 1 means copying, and it is 0 for
the training rows themselves. The second result is about oversampling a rare class.
"""

import json
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd
import scipy.stats
import typer
from imblearn.over_sampling import SMOTE, SMOTENC, RandomOverSampler
from imblearn.pipeline import make_pipeline
from matplotlib.figure import Figure
from sklearn import datasets, metrics
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GridSearchCV, StratifiedKFold, StratifiedShuffleSplit
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from keras_cvae import networks
from keras_cvae.estimators import CVAEEstimator, CVAEOversampler

QUALITY = {
    "marginals": "distance of marginals",
    "correlations": "difference of\nrank correlations",
    "accuracy": "balanced accuracy on real rows,\ntrained on these",
    "distance": "distance to the closest training row,\nheld-out real rows = 1",
}
RARE = {
    "recall": "recall of the rare class",
    "f1": "F1 of the rare class",
    "balanced": "balanced accuracy",
    "precision": "average precision of the rare class\n(area under precision and recall)",
}


def customers(rows=50_000, seed=0):
    """Rows of three latent groups; about one in twelve is of the class `leaves`."""
    rng = np.random.default_rng(seed)
    group = rng.choice(3, rows, p=[0.5, 0.3, 0.2])
    age = np.clip(rng.normal(np.take([32, 48, 67], group), np.take([6, 9, 7], group)), 18, 95)
    income = np.exp(rng.normal(np.take([7.6, 8.3, 7.7], group), 0.3) + 0.004 * (age - 45))
    shares = [[0.4, 0.3, 0.2, 0.1], [0.1, 0.2, 0.3, 0.4], [0.1, 0.6, 0.1, 0.2]]
    region = [rng.choice(list("NESW"), p=p) for p in np.take(shares, group, axis=0)]
    contract = np.digitize(np.log(income) + rng.normal(0, 0.5, rows), [7.5, 8.2])
    visits = rng.poisson(np.exp(0.3 + 0.6 * contract - 0.01 * (age - 45)))
    balance = rng.normal(0.2 * income - 80 * visits, 300)
    regret = 1.3 * (visits == 0) + 0.8 * (contract == 0) - balance / 700 + (age < 30)
    leaves = rng.random(rows) < scipy.special.expit(2 * regret - 4.2)
    x = pd.DataFrame({"age": age, "income": income, "balance": balance, "visits": visits})
    x["region"] = pd.Categorical(region)
    x["contract"] = pd.Categorical(np.take(["month", "year", "two years"], contract))
    return x, np.where(leaves, "leaves", "stays")


def diabetes():
    """The table of diabetes, with the target above or below the median as class."""
    x, y = datasets.load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    x["sex"] = pd.Categorical(x["sex"].map({1: "one", 2: "two"}))
    return x, np.where(y > np.median(y), "high", "low")


class Table(NamedTuple):
    """A table, its rare class, the number of rare rows in oversampling, settings of the VAE."""

    load: Callable
    rare: object
    keep: int
    settings: dict
    epochs: list


SMALL = {"epochs": 100, "batch_size": 32}, [50, 100, 200]
LARGE = {"epochs": 10, "batch_size": 256}, [10, 30]
FRAME = {"return_X_y": True, "as_frame": True}
TABLES = {
    "wine": Table(partial(datasets.load_wine, **FRAME), 2, 12, *SMALL),
    "diabetes": Table(diabetes, "high", 15, *SMALL),
    "cancer": Table(partial(datasets.load_breast_cancer, **FRAME), 0, 15, *SMALL),
    "digits": Table(partial(datasets.load_digits, **FRAME), 8, 12, *SMALL),
    "customers": Table(customers, "leaves", 250, *LARGE),
}


def copula(x, count, rng):
    """Samples rows of a Gaussian copula with the marginals of the columns."""
    codes = x.apply(lambda cells: cells.cat.codes if cells.dtype == "category" else cells)
    mixed = codes.sample(frac=1, random_state=int(rng.integers(2**31)))  # ties in random order
    normal = scipy.stats.norm.ppf((mixed.rank(method="first") - 0.5) / len(x))
    covariance = np.atleast_2d(np.cov(normal.T))
    u = scipy.stats.norm.cdf(rng.multivariate_normal(np.zeros(len(covariance)), covariance, count))
    rows = x.iloc[:0].reindex(range(count))
    for place, (name, cells) in enumerate(x.items()):
        order = cells.iloc[np.argsort(codes[name], kind="stable")]
        rows[name] = order.iloc[(u[:, place] * len(x)).astype(int)].array
    return rows.astype(x.dtypes)


def encoder(x):
    """Returns a fitted transformer: numbers are standardized, categories one-hot encoded."""
    categories = make_column_selector(dtype_include="category")
    numbers = make_column_selector(dtype_exclude="category")
    one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    return make_column_transformer((StandardScaler(), numbers), (one_hot, categories)).fit(x)


forest = partial(RandomForestClassifier, 100)


def folds(rows, seed):
    """Returns the cross-validation: three folds, or a single one if there are many rows."""
    if len(rows) < 5000:
        return StratifiedKFold(3, shuffle=True, random_state=seed)
    return StratifiedShuffleSplit(1, test_size=0.2, random_state=seed)


def estimator(table, seed):
    """Returns the VAE with the settings of a table."""
    network = networks.Dense((128, 128))
    return CVAEEstimator(4, network=network, samples=50, random_state=seed, **table.settings)


def smote(x, seed, **options):
    """Returns SMOTE, or SMOTENC if there are categories."""
    categories = list(x.select_dtypes("category"))
    kind = partial(SMOTENC, categories) if categories else SMOTE
    return kind(random_state=seed, **options)


def generated_rows(table, x, y, seed):
    """Yields `(method, x, y)` for each method, with as many rows as the training rows."""
    rng = np.random.default_rng(seed)
    yield "real rows", x, y
    labels, counts = np.unique(y, return_counts=True)
    twice = dict(zip(labels, 2 * counts, strict=True))
    more_x, more_y = smote(x, seed, sampling_strategy=twice).fit_resample(x, y)
    yield "SMOTE", more_x[len(x) :], np.asarray(more_y)[len(x) :]
    parts = [copula(x[y == label], n, rng) for label, n in zip(labels, counts, strict=True)]
    yield "copula", pd.concat(parts, ignore_index=True), np.repeat(labels, counts)
    search = GridSearchCV(estimator(table, seed), {"epochs": table.epochs}, cv=folds(x, seed))
    search.fit(x, y)
    print(f"  chosen for log p: {search.best_params_}", flush=True)
    yield "VAE", search.best_estimator_.sample(len(y), y), y


def quality(real, generated, train, seed):
    """Returns the measures of `QUALITY` of generated rows, compared with real ones."""
    (x_real, y_real), (x, y), (x_train, _) = real, generated, train
    marginals = []
    for name, cells in x_real.items():
        if cells.dtype == "category":
            shares = [part[name].astype(str).value_counts(normalize=True) for part in (x_real, x)]
            marginals.append(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
        else:
            marginals.append(scipy.stats.ks_2samp(cells, x[name]).statistic)
    encode = encoder(x_train).transform
    a, b, train_rows = encode(x_real), encode(x), encode(x_train)
    correlations = [pd.DataFrame(part).corr("spearman").fillna(0.0).to_numpy() for part in (a, b)]
    differences = np.abs(np.subtract(*correlations))
    neighbours = NearestNeighbors(n_neighbors=1).fit(train_rows)
    rng = np.random.default_rng(seed)
    near = [np.median(neighbours.kneighbors(rng.permutation(rows)[:2000])[0]) for rows in (b, a)]
    predicted = forest(random_state=seed).fit(b, y).predict(a)
    return {
        "marginals": float(np.mean(marginals)),
        "correlations": float(differences[np.triu_indices(len(differences), 1)].mean()),
        "accuracy": float(metrics.balanced_accuracy_score(y_real, predicted)),
        "distance": float(near[0] / near[1]) if x is not x_train else 0.0,
    }


def oversampling(table, x, y, x_test, y_test, seed):
    """Returns the measures of `RARE` for each method, trained on few rows of the rare class."""
    rare = np.random.default_rng(seed).permutation(np.flatnonzero(y == table.rare))
    rows = np.sort(np.concatenate([np.flatnonzero(y != table.rare), rare[: table.keep]]))
    x, y = x.iloc[rows].reset_index(drop=True), y[rows]
    vae = CVAEOversampler(estimator(table, seed), random_state=seed)
    oversampler = smote(x, seed)
    name = f"{type(oversampler).__name__.lower()}__k_neighbors"
    methods = {
        "nothing": ((), {}),
        "class weights": ((), {"randomforestclassifier__class_weight": ["balanced"]}),
        "copies": ((RandomOverSampler(random_state=seed),), {}),
        "SMOTE": ((oversampler,), {name: [1, 3, 5]}),
        "VAE": ((vae,), {"cvaeoversampler__temperature": [0.7, 1.0]}),
    }
    figures = {}
    for method, (steps, grid) in methods.items():
        model = make_pipeline(*steps, encoder(x), forest(random_state=seed))
        model = GridSearchCV(model, grid, scoring="balanced_accuracy", cv=folds(x, seed))
        predicted = model.fit(x, y).predict(x_test)
        scores = model.predict_proba(x_test)[:, list(model.classes_).index(table.rare)]
        options = {"labels": [table.rare], "average": "macro", "zero_division": 0}
        figures[method] = {
            "recall": float(metrics.recall_score(y_test, predicted, **options)),
            "f1": float(metrics.f1_score(y_test, predicted, **options)),
            "balanced": float(metrics.balanced_accuracy_score(y_test, predicted)),
            "precision": float(metrics.average_precision_score(y_test == table.rare, scores)),
        }
        print(f"  {method}, chosen: {model.best_params_}: {figures[method]}", flush=True)
    return figures


def run(name, seed, epochs):
    """Returns the measures for a table and a seed."""
    table = TABLES[name]
    if epochs is not None:
        table = table._replace(settings=table.settings | {"epochs": epochs}, epochs=[epochs])
    x, y = table.load()
    halves = next(StratifiedShuffleSplit(1, test_size=0.5, random_state=seed).split(x, y))
    train, test = ((x.iloc[r].reset_index(drop=True), np.asarray(y)[r]) for r in halves)
    figures = {}
    for method, *rows in generated_rows(table, *train, seed):
        figures[method] = quality(test, rows, train, seed)
        print(f"  {method}: {figures[method]}", flush=True)
    return {"quality": figures, "oversampling": oversampling(table, *train, *test, seed)}


def summary(results, part):
    """Returns mean and standard error over seeds, a row for each table and method."""
    rows = [
        {"table": name, "method": method, **values}
        for name, seeds in results.items()
        for seed in seeds
        for method, values in seed[part].items()
    ]
    return pd.DataFrame(rows).groupby(["table", "method"], sort=False).agg(["mean", "sem"])


def format_table(frame, names):
    """Yields the lines of a table."""
    yield f"| table | rows | {' | '.join(names)} |\n|---|---" + "|---" * len(names) + "|"
    for (table, method), row in frame.iterrows():
        cells = [f"{row[name]['mean']:.3f} ± {row[name]['sem']:.3f}" for name in names]
        yield f"| {table} | {method} | {' | '.join(cells)} |"


def plot(frame, names):
    """Plots a panel for each measure, with a group of points for each table."""
    tables, methods = (frame.index.unique(level) for level in ("table", "method"))
    figure = Figure(figsize=(4.2 * len(names), 3.8), layout="constrained", dpi=110)
    for axes, (measure, label) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        for number, method in enumerate(methods):
            points = frame[measure].xs(method, level="method")
            x = np.arange(len(tables)) + (number - (len(methods) - 1) / 2) * 0.15
            axes.errorbar(x, points["mean"], points["sem"], fmt="o", capsize=3, label=method)
        axes.set(xticks=range(len(tables)), xticklabels=tables, xlabel="table", ylabel=label)
        axes.grid(alpha=0.3, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=5)
    return figure


def main(
    tables: Annotated[list[str] | None, typer.Argument(help=", ".join(TABLES))] = None,
    seeds: int = 3,
    out: Path = Path("runs/tables"),
    epochs: int | None = None,
) -> None:
    """Measure the seeds that are not in `--out` yet; print and plot all results."""
    warnings.filterwarnings("ignore", "The model ignores its label|Posterior collapse")
    for name in tables or TABLES:
        if name not in TABLES:
            raise typer.BadParameter(f"must be one of {', '.join(TABLES)}. Received: {name}")
    out.mkdir(parents=True, exist_ok=True)
    results = {name: [] for name in tables or TABLES}
    for seed in range(seeds):
        for name in results:
            path = out / f"{name}_{seed}.json"
            if not path.exists():
                print(f"{name}, seed {seed}", flush=True)
                path.write_text(json.dumps(run(name, seed, epochs), indent=2) + "\n")
            results[name].append(json.loads(path.read_text()))
    for part, names in ("quality", QUALITY), ("oversampling", RARE):
        frame = summary(results, part)
        print(f"\n{part}, mean and standard error of {seeds} seeds")
        print(*format_table(frame, names), sep="\n")
        plot(frame, names).savefig(out / f"{part}.png")


if __name__ == "__main__":
    typer.run(main)
