"""Priors fitted to the encodings of handwriting: quality of samples, and of changed labels.

    keras-cvae train --data mnist --no-fit-prior --out runs/mnist
    PYTHONPATH=scripts python scripts/experiments/fitted_priors.py runs/mnist/model.keras

Fits a mixture and spline flows with different numbers of shared couplings. It measures, on the
tenth of the training images that `keras-cvae train` holds out, and with the classifier of
`label_agreement.py`:

- the share of generated images that are classified as their label, their recall and coverage;
- the share of held-out images with a changed label that are classified as the new label, and the
  correlation of the thickness and the slant of their strokes before and after the change, after
  subtracting the mean of each class.
"""

from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import strokes
import typer
from label_agreement import classifier_of

from keras_cvae import datasets, evaluation, priors
from keras_cvae.evaluation.classifier import unit

STYLE = {"thickness kept": strokes.thickness, "slant kept": strokes.slant}


def subtract_class_means(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Subtracts from each value the mean of its class."""
    means = {label: values[labels == label].mean() for label in np.unique(labels)}
    return values - np.array([means[label] for label in labels])


def measure(cvae, classifier, x, y, features_of_real, seed: int) -> dict[str, float]:
    """Returns the measures of a model with a fitted prior, on held-out images."""
    images = cvae.generate(y, seed=seed)
    features = classifier.features(images)
    others = (y + 1 + np.arange(len(y)) % 9) % 10
    swapped = cvae.reconstruct(x, y, others)
    measures = {
        "classified as their label": float(np.mean(classifier.predict(images) == y)),
        "recall": evaluation.precision_recall(features_of_real, features)["recall"],
        "coverage": evaluation.density_coverage(features_of_real, features)["coverage"],
        "label changed": float(np.mean(classifier.predict(swapped) == others)),
    }
    for name, style in STYLE.items():
        before, after = style(unit(x)), style(swapped)
        pair = subtract_class_means(before, y), subtract_class_means(after, others)
        measures[name] = float(np.corrcoef(*pair)[0, 1])
    return measures


def main(
    model: Path,
    data: str = "mnist",
    shared: Annotated[str, typer.Option(help="Numbers of shared couplings, out of 6.")] = "0,3,6",
    count: Annotated[int, typer.Option(help="Held-out images to measure on.")] = 6000,
    out: Path = Path("runs/label_agreement"),
    seed: int = 0,
) -> None:
    """Print a line for each prior."""
    out.mkdir(parents=True, exist_ok=True)
    x_train, y_train, x, y = datasets.hold_out(datasets.load(data))
    classifier = classifier_of(x_train, y_train, None, seed, out / "classifier_validate.keras")
    x, y = x[:count], y[:count]
    features = classifier.features(x_train[: len(x)])
    print(f"Accuracy on the held-out images themselves: {np.mean(classifier.predict(x) == y):.3f}")
    mixture = {"mixture": priors.Mixture(conditional=True)}
    flows = {
        f"{n} shared": priors.SplineFlow(conditional=True, shared=int(n)) for n in shared.split(",")
    }
    for name, prior in {**mixture, **flows}.items():
        cvae = keras.saving.load_model(model)
        cvae.fit_prior([x_train, y_train], prior=prior, validation_data=([x, y], None), seed=seed)
        measures = measure(cvae, classifier, x, y, features, seed)
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in measures.items())
        print(f"{name}: {numbers}", flush=True)


if __name__ == "__main__":
    typer.run(main)
