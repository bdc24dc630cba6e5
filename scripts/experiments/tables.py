"""Tables: rows of a conditional VAE beside those of SMOTE and of a Gaussian copula.

Four tables come with scikit-learn; `customers` are 50,000 rows made here: numbers, categories and
counts that depend on each other. Each seed splits a table in halves. Models see the first half, and
choose their settings by folds of it: the VAE its epochs by log p(x | y); for oversampling the VAE
its temperature, and SMOTE its neighbours, by the balanced accuracy of the forest that follows. All
figures are of the second half.

The first table is about as many generated rows as real ones: the distance of marginals
(Kolmogorov-Smirnov, of categories total variation) and of rank correlations, the balanced accuracy
of a random forest trained on them alone, and the distance to the closest training row, divided by
that of rows of the second half: much below 1 is copying, 0 for the real rows themselves. The second
table is about oversampling a class of which few rows are left. The figures of each seed are kept in
`--out` as they come.
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
MANY = 5000  # rows, from which one fold is enough


def customers(rows=50_000, seed=0):
    """Rows of three hidden groups; the class `leaves` is one in twelve or so."""
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
    """The table of diabetes, whose target is above the median or not."""
    x, y = datasets.load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    x["sex"] = pd.Categorical(x["sex"].map({1: "one", 2: "two"}))
    return x, np.where(y > np.median(y), "high", "low")


class Table(NamedTuple):
    """A table, its rare class, the number of its rows to keep for oversampling, and settings."""

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
    """Numbers in unit scale and categories as one-hot vectors, as a fitted transformer."""
    categories = make_column_selector(dtype_include="category")
    numbers = make_column_selector(dtype_exclude="category")
    one_hot = OneHotEncoder(sparse_output=False, handle_unknown="ignore")
    return make_column_transformer((StandardScaler(), numbers), (one_hot, categories)).fit(x)


forest = partial(RandomForestClassifier, 100)


def folds(rows, seed):
    """Folds of training rows: three of few, one of many."""
    if len(rows) < MANY:
        return StratifiedKFold(3, shuffle=True, random_state=seed)
    return StratifiedShuffleSplit(1, test_size=0.2, random_state=seed)


def estimator(table, seed):
    """The VAE before its settings are chosen."""
    network = networks.Dense((128, 128))
    return CVAEEstimator(4, network=network, samples=50, random_state=seed, **table.settings)


def smote(x, seed, **options):
    """SMOTE, or SMOTENC where there are categories."""
    categories = list(x.select_dtypes("category"))
    kind = partial(SMOTENC, categories) if categories else SMOTE
    return kind(random_state=seed, **options)


def generated_rows(table, x, y, seed):
    """Yields `(name, x, y)` for each method: as many rows as there are."""
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
    """The figures of `QUALITY`, of generated rows beside real ones."""
    (x_real, y_real), (x, y), (x_train, _) = real, generated, train
    of_columns = []
    for name, cells in x_real.items():
        if cells.dtype == "category":
            shares = [part[name].astype(str).value_counts(normalize=True) for part in (x_real, x)]
            of_columns.append(shares[0].sub(shares[1], fill_value=0).abs().sum() / 2)
        else:
            of_columns.append(scipy.stats.ks_2samp(cells, x[name]).statistic)
    encode = encoder(x_train).transform
    a, b, near = encode(x_real), encode(x), encode(x_train)
    of_pairs = [pd.DataFrame(part).corr("spearman").fillna(0.0).to_numpy() for part in (a, b)]
    apart = np.abs(np.subtract(*of_pairs))
    neighbours = NearestNeighbors(n_neighbors=1).fit(near)
    rng = np.random.default_rng(seed)
    far = [np.median(neighbours.kneighbors(rng.permutation(rows)[:2000])[0]) for rows in (b, a)]
    predicted = forest(random_state=seed).fit(b, y).predict(a)
    return {
        "marginals": float(np.mean(of_columns)),
        "correlations": float(apart[np.triu_indices(len(apart), 1)].mean()),
        "accuracy": float(metrics.balanced_accuracy_score(y_real, predicted)),
        "distance": float(far[0] / far[1]) if x is not x_train else 0.0,
    }


def imbalanced(table, x, y, seed):
    """The same rows, of the rare class only a few."""
    rare = np.flatnonzero(y == table.rare)
    kept = np.random.default_rng(seed).permutation(rare)[: table.keep]
    rows = np.sort(np.concatenate([np.flatnonzero(y != table.rare), kept]))
    return x.iloc[rows].reset_index(drop=True), y[rows]


def oversampling(table, x, y, x_test, y_test, seed):
    """The figures of `RARE` for each method."""
    x, y = imbalanced(table, x, y, seed)
    vae = CVAEOversampler(estimator(table, seed), random_state=seed)
    of_smote = smote(x, seed)
    name = f"{type(of_smote).__name__.lower()}__k_neighbors"
    ways = {
        "nothing": ((), {}),
        "class weights": ((), {"randomforestclassifier__class_weight": ["balanced"]}),
        "copies": ((RandomOverSampler(random_state=seed),), {}),
        "SMOTE": ((of_smote,), {name: [1, 3, 5]}),
        "VAE": ((vae,), {"cvaeoversampler__temperature": [0.7, 1.0]}),
    }
    figures = {}
    for way, (steps, grid) in ways.items():
        model = make_pipeline(*steps, encoder(x), forest(random_state=seed))
        model = GridSearchCV(model, grid, scoring="balanced_accuracy", cv=folds(x, seed))
        predicted = model.fit(x, y).predict(x_test)
        shares = model.predict_proba(x_test)[:, list(model.classes_).index(table.rare)]
        options = {"labels": [table.rare], "average": "macro", "zero_division": 0}
        figures[way] = {
            "recall": float(metrics.recall_score(y_test, predicted, **options)),
            "f1": float(metrics.f1_score(y_test, predicted, **options)),
            "balanced": float(metrics.balanced_accuracy_score(y_test, predicted)),
            "precision": float(metrics.average_precision_score(y_test == table.rare, shares)),
        }
        print(f"  {way}, chosen: {model.best_params_}: {figures[way]}", flush=True)
    return figures


def run(name, seed, limit):
    """The figures of one table and seed."""
    table = TABLES[name]
    x, y = table.load()
    y = np.asarray(y)
    if limit is not None:
        rows = np.random.default_rng(seed).permutation(len(x))[:limit]
        x, y = x.iloc[rows], y[rows]
    halves = next(StratifiedShuffleSplit(1, test_size=0.5, random_state=seed).split(x, y))
    train, test = ((x.iloc[rows].reset_index(drop=True), y[rows]) for rows in halves)
    of_rows = {}
    for way, *rows in generated_rows(table, *train, seed):
        of_rows[way] = quality(test, rows, train, seed)
        print(f"  {way}: {of_rows[way]}", flush=True)
    return {"quality": of_rows, "oversampling": oversampling(table, *train, *test, seed)}


def table_of(figures, part, names):
    """The lines of a table: mean and standard deviation over seeds."""
    yield f"| table | rows | {' | '.join(names)} |\n|---|---" + "|---" * len(names) + "|"
    for name, seeds in figures.items():
        for way in seeds[0][part]:
            cells = [[one[part][way][measure] for one in seeds] for measure in names]
            texts = [f"{np.mean(cell):.3f} ± {np.std(cell):.3f}" for cell in cells]
            yield f"| {name} | {way} | {' | '.join(texts)} |"


def picture(figures, part, names):
    """A panel a measure, a group of points a table."""
    figure = Figure(figsize=(4.2 * len(names), 3.8), layout="constrained", dpi=110)
    for axes, (measure, label) in zip(figure.subplots(1, len(names)), names.items(), strict=True):
        ways = list(next(iter(figures.values()))[0][part])
        for number, way in enumerate(ways):
            cells = [[one[part][way][measure] for one in seeds] for seeds in figures.values()]
            places = np.arange(len(cells)) + (number - (len(ways) - 1) / 2) * 0.15
            means, spreads = np.mean(cells, axis=1), np.std(cells, axis=1)
            axes.errorbar(places, means, spreads, fmt="o", capsize=3, label=way)
        axes.set_xticks(range(len(figures)), figures)
        axes.set(ylabel=label, xlabel="table")
        axes.grid(alpha=0.3, axis="y")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=len(ways))
    return figure


def main(
    tables: Annotated[list[str] | None, typer.Argument(help=", ".join(TABLES))] = None,
    seeds: int = 3,
    out: Path = Path("runs/tables"),
    limit: int | None = None,
) -> None:
    """Measure the seeds that `--out` does not have yet; print and draw all of them."""
    warnings.filterwarnings("ignore", "The model ignores its label|Posterior collapse")
    for name in tables or TABLES:
        if name not in TABLES:
            raise typer.BadParameter(f"must be among {', '.join(TABLES)}. Received: {name}")
    out.mkdir(parents=True, exist_ok=True)
    figures = {name: [] for name in tables or TABLES}
    for seed in range(seeds):
        for name in figures:
            path = out / f"{name}_{seed}_of_{limit or 'all'}.json"
            if not path.exists():
                print(f"{name}, seed {seed}", flush=True)
                path.write_text(json.dumps(run(name, seed, limit), indent=2) + "\n")
            figures[name].append(json.loads(path.read_text()))
    for part, names in ("quality", QUALITY), ("oversampling", RARE):
        print(f"\n{part}, mean and standard deviation of {seeds} seeds")
        print(*table_of(figures, part, names), sep="\n")
        picture(figures, part, names).savefig(out / f"{part}.png")


if __name__ == "__main__":
    typer.run(main)
