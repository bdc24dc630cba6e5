"""Disentangling style and label: a z that does not encode the label, and its effect on the ELBO.

    python scripts/style_and_label.py --data mnist

If z of a conditional VAE encodes the class, the decoder uses the label less: an image whose label
is changed looks almost the same. For each seed, models are trained by the ELBO, with an adversary
that predicts the label from z (`objectives.Adversary`), with a small and a large weight, and with
a larger beta, which reduces all information in z. The table lists the test ELBO in nats; the
accuracy in % of a linear probe and of nearest neighbours that predict the label from z; and the
share in % of test images with a changed label that a classifier of real images assigns to the new
label.

The picture shows, for each handwriting and model, the image with its label changed to every digit.
Models that exist in `--out` are not trained again.
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
PROBE_SIZE = 5000  # training images for probes and classifier, and test images


def train(x, y, classes, objective, latent_dim, epochs, seed, path):
    """Returns the model of `path`: loaded if it exists, otherwise trained."""
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


def accuracy_of_neighbours(cvae, train, test, seed):
    """Accuracy of 15 nearest neighbours that predict the label from a sample of z."""
    rng = np.random.default_rng(seed)
    samples = []
    for part in (train, test):
        mean, log_var = cvae.encode(*part)
        samples.append(mean + np.exp(log_var / 2) * rng.standard_normal(mean.shape))
    return KNeighborsClassifier(15).fit(samples[0], train[1]).score(samples[1], test[1])


def main(
    data: str = "mnist",
    epochs: int = 20,
    out: Path = Path("runs/style_and_label"),
    seeds: int = 3,
    latent_dim: int = 16,
    beta: float = 3.0,
) -> None:
    """Train the models, print the table and plot the images."""
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    kinds = {
        "ELBO": objectives.ELBO(),
        **{f"adversary {w:g}": objectives.Adversary(w) for w in WEIGHTS},
        f"beta {beta:g}": objectives.ELBO(beta),
    }
    probe_data, test = (
        (x_train[:PROBE_SIZE], y_train[:PROBE_SIZE]),
        (x_test[:PROBE_SIZE], y_test[:PROBE_SIZE]),
    )
    classifier = evaluation.train_classifier(*probe_data, epochs=5, seed=0, verbose=0)
    accuracy = np.mean(classifier.predict(test[0]) == test[1])
    others = test[1] + np.random.default_rng(0).integers(1, len(names), len(test[1]))
    others = others % len(names)
    rows, results = {}, {}
    for kind, objective in kinds.items():
        for seed in range(seeds):
            path = out / f"{kind.replace(' ', '_')}_{seed}.keras"
            cvae = train(x_train, y_train, len(names), objective, latent_dim, epochs, seed, path)
            metrics = cvae.evaluate(*test, verbose=0, return_dict=True, draws=8)
            linear, chance = evaluation.label_leakage(cvae, *probe_data, *test)
            neighbours = accuracy_of_neighbours(cvae, probe_data, test, seed)
            swap_agreement = np.mean(classifier.predict(cvae.reconstruct(*test, others)) == others)
            percent = 100 * linear.value, 100 * neighbours, 100 * swap_agreement
            results.setdefault(kind, []).append([metrics["elbo"], metrics["kl"], *percent])
            print(kind, seed, *(f"{value:.2f}" for value in results[kind][-1]), flush=True)
            if seed == 0:
                shown = [cvae.reconstruct(*(a[:SHOWN] for a in test), k) for k in range(len(names))]
                scale = 255 if x_test.dtype == np.uint8 else 1
                rows[kind] = np.stack([x_test[:SHOWN] / scale, *shown], axis=1)
    images = np.stack([*rows.values()], axis=1)
    images = images.reshape(-1, *images.shape[2:])
    style = {"column_labels": ["input", *names], "xlabel": "label changed to", "headers": True}
    mosaic(np.clip(images, 0, 1), row_labels=[*rows] * SHOWN, **style).savefig(out / "styles.png")

    print(f"\n{len(test[0]):,} test images: mean and standard deviation of {seeds} seeds")
    print(f"chance is {100 * chance:.1f}%; accuracy on real images is {100 * accuracy:.1f}%")
    print("| | ELBO | KL | linear probe | neighbours | label changed |\n|---" + "|---" * 5 + "|")
    for kind, values in results.items():
        pairs = zip(np.mean(values, axis=0), np.std(values, axis=0), strict=True)
        print(
            " | ".join([f"| {kind}", *(f"{mean:.2f} ± {spread:.2f}" for mean, spread in pairs)]),
            "|",
        )


if __name__ == "__main__":
    typer.run(main)
