"""How often a classifier assigns generated images to their label, and how varied the images are.

    python scripts/label_agreement.py runs/mnist/model.keras [more models ...] --data mnist

The classifier of `keras-cvae evaluate` is trained on the real images and saved in `--out`. Each
model generates `--count` images, with all labels in turn, at temperatures 1, 0.8 and 0.6. The
spread is the deviation of images from the mean of their class, relative to that of the real images.
The last column is the share of real images whose label was changed that are classified as the new
label. A model with another prior than a mixture is measured again after `fit_prior`. `--validate`
measures on a tenth of the training images, to choose settings.
"""

from pathlib import Path

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import datasets, evaluation, priors
from keras_cvae.evaluation.classifier import ImageClassifier, unit
from keras_cvae.evaluation.neighbours import spread

TEMPERATURES = (1.0, 0.8, 0.6)


def classifier_of(x, y, epochs: int | None, seed: int, path: Path) -> ImageClassifier:
    """Returns the classifier saved at `path`; trains and saves it if there is none."""
    if path.exists():
        return ImageClassifier(keras.saving.load_model(path))
    classifier = evaluation.train_classifier(x, y, epochs=epochs, seed=seed, verbose=2)
    classifier.model.save(path)
    return classifier


def main(
    models: list[Path],
    data: str = "mnist",
    epochs: int | None = None,
    out: Path = Path("runs/label_agreement"),
    seed: int = 0,
    count: int = 10_000,
    validate: bool = False,
) -> None:
    """Print the share of images classified as their label, and the spread, for each model."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    dataset = datasets.load(data)
    x_train, y_train, x_real, y_real = *dataset[:2], dataset.x_test, dataset.y_test
    if validate:
        x_train, y_train, x_real, y_real = datasets.hold_out(dataset)
    path = out / f"classifier{'_validate' if validate else ''}.keras"
    classifier = classifier_of(x_train, y_train, epochs, seed, path)

    def share(images, labels):
        return np.mean(classifier.predict(images) == labels)

    real, real_spread = share(x_real, y_real), spread(unit(x_real), y_real)
    print(f"\nAccuracy of the classifier on {len(x_real):,} real images: {100 * real:.2f}%")
    columns = ["prior", *map(str, TEMPERATURES), "relative", "spread", "label changed"]
    print("% classified as their label, by temperature, and relative to real images at 1;")
    print("spread; % of images with a changed label that are classified as the new one\n")
    print("| model | " + " | ".join(columns) + " |")
    print("|---" * (len(columns) + 1) + "|")
    classes = len(dataset.class_names)
    labels = np.arange(count) % classes
    others = (y_real + np.random.default_rng(seed).integers(1, classes, len(y_real))) % classes
    for path in models:
        model: keras_cvae.CVAE = keras.saving.load_model(path)
        while True:
            images = [model.generate(labels, temperature=t, seed=seed) for t in TEMPERATURES]
            shares = [share(each, labels) for each in images]
            row = [type(model.prior).__name__, *(f"{100 * each:.1f}" for each in shares)]
            row += [f"{shares[0] / real:.3f}"]
            row += [f"{spread(unit(images[0]), labels) / real_spread:.2f}"]
            swaps = share(model.reconstruct(x_real, y_real, others), others)
            print(f"| {str(path)[-50:]} | " + " | ".join([*row, f"{100 * swaps:.1f}"]) + " |")
            if type(model.prior) is priors.Mixture:
                break
            model.fit_prior([x_train, y_train])


if __name__ == "__main__":
    typer.run(main)
