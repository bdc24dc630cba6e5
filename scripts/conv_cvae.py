"""A label-conditional convolutional VAE: restore digits, change their label, keep their style.

The convolutional tutorial's network with labels as constant planes, latent size 64, thresholded
pixels, 100 epochs. One label in ten is hidden in training, so that decoding without one means
something. Handwriting is picked by its measured stroke thickness and slant.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from scipy import ndimage

import keras_cvae
from keras_cvae import datasets, latents, plots


def thickness(image: np.ndarray) -> float:
    """Stroke thickness in pixels: twice the mean distance of the ink from its edge."""
    ink = image > 0.5
    return 4 * ndimage.distance_transform_edt(ink)[ink].mean() - 2 if ink.any() else 0.0


def slant(image: np.ndarray) -> float:
    """Slant in degrees from the second moments of the ink; leaning right is positive."""
    rows, columns = np.indices(image.shape)
    weight = image / image.sum()
    y, x = rows - (weight * rows).sum(), columns - (weight * columns).sum()
    return -np.degrees(np.arctan((weight * x * y).sum() / (weight * y * y).sum()))


def pick(measure, images, labels, digit, quantile):
    """Index of the `digit` whose measure lies at a quantile among its kind."""
    (indices,) = np.nonzero(labels == digit)
    values = np.array([measure(images[i, ..., 0]) for i in indices])
    return indices[np.argmin(np.abs(values - np.quantile(values, quantile)))]


def main(
    data: str = "mnist",
    epochs: int = 100,
    out: Path = Path("runs/conv_cvae"),
    seed: int = 0,
    batch_size: int = 32,
    learning_rate: float = 1e-4,
) -> None:
    """Train the model and draw its pictures."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    test = [x_test, y_test]

    options = {"network": "conv", "binarize": "threshold", "label_dropout": 0.1}
    cvae = keras_cvae.build_cvae(x_train.shape[1:], len(names), 64, **options)
    cvae.compile(keras.optimizers.Adam(learning_rate))
    save = keras.callbacks.ModelCheckpoint(out / "model.keras")
    log = keras.callbacks.CSVLogger(out / "history.csv")
    training = {"batch_size": batch_size, "epochs": epochs, "callbacks": [save, log]}
    history = cvae.fit([x_train, y_train], validation_data=(test, None), **training).history

    plots.loss_curves(history).savefig(out / "loss_curves.png")
    x, y = x_test[:32], y_test[:32]
    for name, digit in {"restored": None, "as_8": 8}.items():
        drawn = cvae.reconstruct(x, y, as_labels=digit)
        labels = y if digit is None else np.full(len(x), digit)
        figure = plots.reconstructions(x, drawn, labels=labels, max_images=32)
        figure.savefig(out / f"{name}.png")
    grey = x_test / 255 if x_test.dtype == np.uint8 else x_test
    rows = {"thick 0 to thin 0, as 4": ((thickness, 0, 0.98), (thickness, 0, 0.02), 4)}
    rows["right 1 to left 3, as 6"] = ((slant, 1, 0.95), (slant, 3, 0.05), 6)
    paths = []
    for (measure, a, high), (_, b, low), digit in rows.values():
        ends = [pick(measure, grey, y_test, a, high), pick(measure, grey, y_test, b, low)]
        z, _ = cvae.encoder.predict([x_test[ends], y_test[ends]], verbose=0)
        z = latents.interpolate(*z, steps=10)
        path = cvae.decode(z, digit)
        paths.append(np.concatenate([grey[ends[:1]], path, grey[ends[1:]]]))
    figure = plots.interpolation(np.stack(paths), row_labels=list(rows), title="Style, label fixed")
    figure.savefig(out / "handwriting.png")
    plots.sheet(cvae.generate(count=100, seed=seed), columns=10, title="Without a label").savefig(
        out / "unlabelled.png"
    )
    plots.class_rows(
        cvae.generate(np.arange(len(names)).repeat(10), seed=seed), np.arange(len(names)).repeat(10)
    ).savefig(out / "samples.png")
    print(f"\n{'test, after ' + str(epochs) + ' epochs':>25} | tutorial | here")
    print(f"{'ELBO, nats per image':>25} | {'none':>8} | {-history['val_loss'][-1]:.2f}")


if __name__ == "__main__":
    typer.run(main)
