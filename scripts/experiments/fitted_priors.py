"""What a prior fitted to the encodings of handwriting does: its samples, and changes of the label.

    keras-cvae train --data mnist --no-fit-prior --out runs/mnist
    PYTHONPATH=scripts python scripts/experiments/fitted_priors.py runs/mnist/model.keras

Fits a mixture and spline flows with so many shared couplings, and measures on the tenth of the
training images that `keras-cvae train` holds out, with the classifier of `label_agreement.py`:

- the share of generated images that are classified as their label, their recall and coverage;
- the share of held-out images with a changed label that are classified as the new label, and the
  correlation of the thickness and the slant of their strokes before and after, each less the mean
  of its class.
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


def less_class_mean(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Returns values less the mean of their class."""
    means = {label: values[labels == label].mean() for label in np.unique(labels)}
    return values - np.array([means[label] for label in labels])


def measured(cvae, classifier, x, y, features_of_real, seed: int) -> dict[str, float]:
    """The measures of a model with a fitted prior, on held-out images."""
    images = cvae.generate(y, seed=seed)
    features = classifier.features(images)
    others = (y + 1 + np.arange(len(y)) % 9) % 10
    changed = cvae.reconstruct(x, y, others)
    measures = {
        "as asked": float(np.mean(classifier.predict(images) == y)),
        "recall": evaluation.precision_recall(features_of_real, features)["recall"],
        "coverage": evaluation.density_coverage(features_of_real, features)["coverage"],
        "label changed": float(np.mean(classifier.predict(changed) == others)),
    }
    for name, measure in STYLE.items():
        before, after = measure(unit(x)), measure(changed)
        pair = less_class_mean(before, y), less_class_mean(after, others)
        measures[name] = float(np.corrcoef(*pair)[0, 1])
    return measures


def main(
    model: Path,
    data: str = "mnist",
    shared: Annotated[str, typer.Option(help="Numbers of shared couplings, of 6.")] = "0,3,6",
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
    fitted = {"mixture": priors.Mixture(conditional=True)}
    flows = {
        f"{n} shared": priors.SplineFlow(conditional=True, shared=int(n)) for n in shared.split(",")
    }
    for name, prior in {**fitted, **flows}.items():
        cvae = keras.saving.load_model(model)
        cvae.fit_prior([x_train, y_train], prior=prior, validation_data=([x, y], None), seed=seed)
        measures = measured(cvae, classifier, x, y, features, seed)
        numbers = ", ".join(f"{key} {value:.3f}" for key, value in measures.items())
        print(f"{name}: {numbers}", flush=True)


if __name__ == "__main__":
    typer.run(main)
