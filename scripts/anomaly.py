"""Anomaly detection: one class after the other is left out of training, then detected.

A plain VAE is trained on the images of the other classes. All test images are scored by their
reconstruction error, minus the ELBO, and minus the importance-weighted log p(x)
(`evaluation.anomaly_score`), and by two methods of scikit-learn on the same images: an isolation
forest, and the squared reconstruction error of PCA with as many components as the VAE has latent
dimensions. The table lists the area under the ROC curve: the probability that an image of the
class left out has a higher score than an image of another class; 0.5 is chance. `--held-out 3
--held-out 8` tests only these classes.

The settings are those that `keras-cvae train` chooses for the data, but with beta = 1, since the
ELBO itself is a score.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score

import keras_cvae
from keras_cvae import datasets, evaluation
from keras_cvae.runs import choosing

KINDS = {"reconstruction": 16, "elbo": 16, "log_likelihood": 128}  # and samples of z


def train(x, epochs, path):
    """Trains a plain VAE of images, saves it at `path` and returns it."""
    settings = {name: choice.value for name, choice in choosing.choose(x).items()}
    epochs = settings["epochs"] if epochs is None else epochs
    parts = {name: settings[name] for name in ("likelihood", "network", "latent_dim")}
    cvae = keras_cvae.build_cvae(x.shape[1:], None, **parts)
    steps = epochs * -(-len(x) // settings["batch_size"])
    cvae.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps)))
    cvae.fit(x, batch_size=settings["batch_size"], epochs=epochs, verbose=0)
    cvae.save(path)
    return cvae


def scikit_learn_scores(x_train, x_test, components, seed):
    """Scores by an isolation forest and by PCA."""
    train, test = (x.reshape(len(x), -1).astype("float32") for x in (x_train, x_test))
    forest = IsolationForest(random_state=seed).fit(train)
    pca = PCA(min(components, *train.shape), random_state=seed).fit(train)
    error = np.square(test - pca.inverse_transform(pca.transform(test))).sum(1)
    return {"isolation forest": -forest.score_samples(test), "PCA": error}


def main(
    data: str = "digits",
    epochs: int | None = None,
    out: Path = Path("runs/anomaly"),
    seed: int = 0,
    held_out: list[int] | None = None,
    limit: int | None = None,
) -> None:
    """Train a model for each class that is left out, and print the table."""
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    classes = [*range(len(names))] if not held_out else held_out
    if not set(classes) <= set(np.unique(y_test)):
        raise typer.BadParameter(f"must be classes of the test images. Received: {held_out}")
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test = (a[:limit] for a in (x_train, y_train, x_test, y_test))
    rows, columns = [], [*KINDS, "isolation forest", "PCA"]
    for number, label in enumerate(classes, start=1):
        print(f"{number}/{len(classes)} without class {names[label]}", flush=True)
        keras.utils.set_random_seed(seed)
        usual = x_train[y_train != label]
        cvae = train(usual, epochs, out / f"without_{label}.keras")
        scores = {
            kind: evaluation.anomaly_score(cvae, x_test, kind=kind, samples=samples, seed=seed)
            for kind, samples in KINDS.items()
        }
        scores |= scikit_learn_scores(usual, x_test, cvae.latent_dim, seed)
        rows.append([roc_auc_score(y_test == label, scores[name]) for name in columns])

    print(f"\nArea under the ROC curve of {len(x_test):,} test images, by the class left out")
    print("| class | " + " | ".join(columns) + " |\n|---" + "|---" * len(columns) + "|")
    named = [(names[label], row) for label, row in zip(classes, rows, strict=True)]
    for name, row in [*named, ("mean", np.mean(rows, axis=0))]:
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in row) + " |")


if __name__ == "__main__":
    typer.run(main)
