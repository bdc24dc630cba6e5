"""A conditional convolutional VAE: reconstruct digits, change their label or their style.

The convolutional tutorial's network with labels as constant planes, latent size 64, thresholded
pixels, Adam with a learning rate of 1e-4, batches of 32, 100 epochs. A tenth of the labels is
hidden in training, so that the model can also decode without a label. Handwritings are selected by
the thickness and slant of their strokes. `--recommended` is for better samples: grey pixels with a
normal likelihood whose variance is learned, latent size 16, beta 15, batches of 128, a learning
rate that decreases from 1e-3 to 0 along a cosine, and a prior fitted to the encodings of each
label.
"""

from pathlib import Path

import keras
import numpy as np
import strokes  # beside this file
import typer

import keras_cvae
from keras_cvae import conditions, datasets, latents, objectives, plots


def pick(measure, x, y, digit, quantile):
    """Index of the image of `digit` whose measure is at a quantile of all images of `digit`."""
    (indices,) = np.nonzero(y == digit)
    values = measure(x[indices])
    return indices[np.argmin(np.abs(values - np.quantile(values, quantile)))]


def main(
    data: str = "mnist",
    epochs: int = 100,
    out: Path = Path("runs/conv_cvae"),
    seed: int = 0,
    recommended: bool = False,
) -> None:
    """Train the model and plot the results."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    batch_size, latent_dim, options = 32, 64, {"binarize": "threshold"}
    if recommended:
        batch_size, latent_dim = 128, 16
        options = {"likelihood": "gaussian", "objective": objectives.ELBO(15.0)}
    label = conditions.Classes(len(names), dropout=0.1)
    cvae = keras_cvae.build_cvae(x_train.shape[1:], label, latent_dim, network="conv", **options)
    cosine = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x_train) // batch_size))
    cvae.compile(keras.optimizers.Adam(cosine if recommended else 1e-4))
    log = keras.callbacks.CSVLogger(out / "history.csv")
    steps = [keras.callbacks.ModelCheckpoint(out / "model.keras"), log]
    training = {"batch_size": batch_size, "epochs": epochs, "callbacks": steps}
    validation = ([x_test, y_test], None)
    history = cvae.fit([x_train, y_train], validation_data=validation, **training).history
    if recommended:
        cvae.fit_prior([x_train, y_train], seed=seed)
        cvae.save(out / "model.keras")

    figures = {"loss_curves": plots.loss_curves(history)}
    x, y = x_test[:32], y_test[:32]
    for name, digits in {"restored": y, "as_8": np.full(len(y), len(names) - 2)}.items():
        images = cvae.reconstruct(x, y, as_y=digits).clip(0, 1)
        figures[name] = plots.reconstructions(x, images, y=digits, max_images=32)
    grey, paths = x_test / (255 if x_test.dtype == np.uint8 else 1), {}
    for title, measure, (a, high), (b, low), digit in (
        ("thick 0 to thin 0, as 4", strokes.thickness, (0, 0.99), (0, 0.01), 4),
        ("right 1 to left 3, as 6", strokes.slant, (1, 0.99), (3, 0.01), 6),
    ):
        ends = [pick(measure, grey, y_test, *end) for end in ((a, high), (b, low))]
        z, _ = cvae.encoder.predict([x_test[ends], y_test[ends]], verbose=0)
        paths[title] = cvae.decode(latents.interpolate(*z, steps=11), digit).clip(0, 1)
    figures["handwriting"] = plots.interpolation(
        np.stack([*paths.values()]), row_labels=[*paths], title="Style changes, label fixed"
    )
    figures["unlabelled"] = plots.sheet(cvae.generate(count=100, seed=seed).clip(0, 1), columns=10)
    y = np.arange(len(names)).repeat(10)
    figures["samples"] = plots.class_rows(cvae.generate(y, seed=seed).clip(0, 1), y)
    for name, figure in figures.items():
        figure.savefig(out / f"{name}.png")
    elbo = -history["val_reconstruction"][-1] - history["val_kl"][-1]
    print(f"\ntest ELBO, nats per image | tutorial: none | {elbo:.2f} here")


if __name__ == "__main__":
    typer.run(main)
