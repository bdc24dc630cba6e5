"""Style and label apart: z that tells nothing of the label, and what that costs.

    python scripts/style_and_label.py --data mnist

Where z of a conditional VAE tells of the class too, the decoder heeds the label less: redrawn as
another digit an image changes little. With each seed models are trained on minus the ELBO alone,
against an adversary that reads the label in z (`objectives.Adversary`), weakly and strongly, and
with a larger beta, which leaves less to z altogether. The table holds the test ELBO in nats; what a
linear probe, and one of nearest neighbours, read of the label in z, in %, beside chance; and how
often test images that are redrawn as another class are read as that by a classifier of real images,
in %.

The picture has one handwriting in rows of each model, and one digit a column. Models are kept in
`--out`: what was trained is not trained again.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from sklearn.neighbors import KNeighborsClassifier

import keras_cvae
from keras_cvae import datasets, evaluation, networks, objectives
from keras_cvae.plots.mosaic import mosaic

WEIGHTS = 30.0, 100.0  # of the adversary
SHOWN = 4  # handwritings
PROBED = 5000  # training images that probes and classifier learn from, and test images


def train(x, y, classes, objective, latent_dim, epochs, seed, path):
    """Returns the model that is kept at `path`, or one that is trained now."""
    if path.exists():
        return keras.saving.load_model(path)
    keras.utils.set_random_seed(seed)
    options = {"network": networks.Dense((256,)), "objective": objective}
    cvae = keras_cvae.build_cvae(x.shape[1:], classes, latent_dim, **options)
    cosine = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x) // 128))
    cvae.compile(keras.optimizers.Adam(cosine))
    cvae.fit([x, y], batch_size=128, epochs=epochs, verbose=0)
    cvae.save(path)
    return cvae


def read_by_neighbours(cvae, train, test, seed):
    """The share of test labels that 15 nearest neighbours among draws of z read."""
    rng = np.random.default_rng(seed)
    drawn = []
    for part in (train, test):
        mean, log_var = cvae.encode(*part)
        drawn.append(mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape))
    return KNeighborsClassifier(15).fit(drawn[0], train[1]).score(drawn[1], test[1])


def main(
    data: str = "mnist",
    epochs: int = 20,
    out: Path = Path("runs/style_and_label"),
    seeds: int = 3,
    latent_dim: int = 16,
    beta: float = 3.0,
) -> None:
    """Train the models, print the table and draw the picture."""
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    kinds = {
        "ELBO": objectives.ELBO(),
        **{f"adversary {w:g}": objectives.Adversary(w) for w in WEIGHTS},
        f"beta {beta:g}": objectives.ELBO(beta),
    }
    probed, test = (x_train[:PROBED], y_train[:PROBED]), (x_test[:PROBED], y_test[:PROBED])
    classifier = evaluation.train_classifier(*probed, epochs=5, seed=0, verbose=0)
    read = np.mean(classifier.predict(test[0]) == test[1])
    others = test[1] + np.random.default_rng(0).integers(1, len(names), len(test[1]))
    others = others % len(names)
    rows, results = {}, {}
    for kind, objective in kinds.items():
        for seed in range(seeds):
            path = out / f"{kind.replace(' ', '_')}_{seed}.keras"
            cvae = train(x_train, y_train, len(names), objective, latent_dim, epochs, seed, path)
            measured = cvae.evaluate(*test, verbose=0, return_dict=True, draws=8)
            linear, chance = evaluation.label_leakage(cvae, *probed, *test)
            neighbours = read_by_neighbours(cvae, probed, test, seed)
            redrawn = np.mean(classifier.predict(cvae.reconstruct(*test, others)) == others)
            found = measured["elbo"], measured["kl"], 100 * linear.value, 100 * neighbours
            results.setdefault(kind, []).append([*found, 100 * redrawn])
            print(kind, seed, *(f"{value:.2f}" for value in results[kind][-1]), flush=True)
            if seed == 0:
                shown = [cvae.reconstruct(*(a[:SHOWN] for a in test), k) for k in range(len(names))]
                scale = 255 if x_test.dtype == np.uint8 else 1
                rows[kind] = np.stack([x_test[:SHOWN] / scale, *shown], axis=1)
    drawn = np.stack([*rows.values()], axis=1)
    drawn = drawn.reshape(-1, *drawn.shape[2:])
    style = {"column_labels": ["input", *names], "xlabel": "redrawn as", "headers": True}
    mosaic(np.clip(drawn, 0, 1), row_labels=[*rows] * SHOWN, **style).savefig(out / "styles.png")

    print(f"\n{len(test[0]):,} test images, {seeds} seeds: mean, and its spread over the seeds")
    print(f"chance is {100 * chance:.1f}%; of real images the classifier reads {100 * read:.1f}%")
    print(
        "| | ELBO | KL | linear probe | neighbours | redrawn, read as asked |\n|---"
        + "|---" * 5
        + "|"
    )
    for kind, found in results.items():
        pairs = zip(np.mean(found, axis=0), np.std(found, axis=0), strict=True)
        print(
            " | ".join([f"| {kind}", *(f"{mean:.2f} ± {spread:.2f}" for mean, spread in pairs)]),
            "|",
        )


if __name__ == "__main__":
    typer.run(main)
