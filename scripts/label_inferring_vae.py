"""A VAE that infers the label it is conditioned on: from an image alone, its style and its digit.

Dense, 128 hidden units, latent size 20; a classifier 784-128-10 whose straight-through
Gumbel-softmax sample conditions only the decoder, as in the original model: the encoder receives
the image without a label. Loss = -ELBO + 10 x cross-entropy; Adam with a learning rate of 1e-3,
batches of 64, 20 epochs. `--recommended`, for better samples from the prior, passes the label to
the encoder too, so that z does not have to encode the digit; it uses beta 3, a weight of 50 for
the cross-entropy, and a learning rate that decreases to 0 along a cosine. `styles.png` shows
images with their label changed to every digit. `--folds 10` cross-validates on the training
images; `--fold 3` runs one fold.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from sklearn.model_selection import StratifiedKFold

import keras_cvae
from keras_cvae import callbacks, conditions, datasets, networks, objectives, plots


def train(train, test, num_classes, epochs, out, seed, recommended):
    """Trains a model; returns it and its metrics on the test data."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    beta, weight = (3.0, 50.0) if recommended else (1.0, 10.0)
    label = conditions.Inferred(num_classes, weight=weight, encoder=recommended)
    options = {"network": networks.Dense((128,)), "objective": objectives.ELBO(beta)}
    model = keras_cvae.build_cvae(train[0].shape[1:], label, 20, **options)
    cosine = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(train[0]) // 64))
    model.compile(keras.optimizers.Adam(cosine if recommended else 1e-3))

    digits = np.arange(num_classes)
    one_z = np.random.default_rng(seed).standard_normal((1, 20)).repeat(num_classes, axis=0)
    images = callbacks.EpochImages(lambda m: m.decode(one_z, digits), out / "epochs", num_classes)
    save = keras.callbacks.ModelCheckpoint(out / "model.keras")
    steps = {"batch_size": 64, "epochs": epochs, "callbacks": [images, save]}
    history = model.fit([*train], validation_data=([*test], None), **steps).history

    plots.loss_curves(history).savefig(out / "loss_curves.png")
    metrics = model.evaluate(*test, batch_size=1000, verbose=0, return_dict=True)
    inferred = model.classifier.predict(test[0], batch_size=1000, verbose=0).argmax(-1)
    return model, {**metrics, "error, %": 100 * np.mean(inferred != test[1])}


def main(
    data: str = "mnist",
    epochs: int = 20,
    out: Path = Path("runs/label_inferring_vae"),
    seed: int = 0,
    recommended: bool = False,
    folds: int = 0,
    fold: int = -1,
) -> None:
    """Train the model, or one per fold, and plot the results."""
    x, y, x_test, y_test, names = datasets.load(data)
    results, settings = {}, dict(num_classes=len(names), epochs=epochs, recommended=recommended)
    if folds:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(x, y)
        for i, parts in enumerate(splits):
            if fold in (-1, i):
                pairs = [(x[rows], y[rows]) for rows in parts]
                results[i] = train(*pairs, out=out / f"fold_{i}", seed=seed, **settings)[1]
    else:
        model, results[0] = train((x, y), (x_test, y_test), out=out, seed=seed, **settings)
        shown = x_test[:16]
        inferred = model.classifier.predict(shown, verbose=0).argmax(-1)
        figure = plots.reconstructions(shown, model.reconstruct(shown), y=inferred)
        figure.savefig(out / "inferred.png")
        swaps = [model.reconstruct(shown, as_y=digit) for digit in range(len(names))]
        figure = plots.label_swaps(shown, np.stack(swaps, 1), [*range(len(names))])
        figure.savefig(out / "styles.png")

    print(f"\nafter {epochs} epochs: mean, spread over {len(results)} run(s) | original: pictures")
    for name in next(iter(results.values())):
        values = [result[name] for result in results.values()]
        each = ", ".join(f"{value:.2f}" for value in values)
        print(f"{name:>15} | {np.mean(values):.2f}, {np.std(values):.2f} | {each}")


if __name__ == "__main__":
    typer.run(main)
