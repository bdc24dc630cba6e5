"""A VAE that infers the label it is conditioned on: an image alone gives its style and its digit.

Dense, hidden 128, latent 20; a classifier 784-128-10 whose straight-through Gumbel-softmax draw
is concatenated to z; loss = -ELBO + 10 x cross-entropy; Adam 1e-3, batches of 64, 20 epochs.
`--folds 10` cross-validates on the training images; `--fold 3` does one fold of it.
"""

from pathlib import Path

import keras
import numpy as np
import typer
from sklearn.model_selection import StratifiedKFold

import keras_cvae
from keras_cvae import callbacks, datasets, plots


def train(train, test, num_classes, epochs, out, seed):
    """Trains one model; returns it and its metrics on the test part."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    model = keras_cvae.build_cvae(
        train[0].shape[1:],
        num_classes,
        latent_dim=20,
        hidden_units=(128,),
        infer_label=True,
        classification_weight=10.0,
    )
    model.compile(keras.optimizers.Adam(1e-3))
    z = np.random.default_rng(seed).standard_normal((1, 20)).repeat(num_classes, 0)
    labels = np.arange(num_classes)
    draw = callbacks.EpochImages(
        lambda model: model.generator.predict([z, labels], verbose=0),
        out / "epochs",
        columns=num_classes,
    )
    save = keras.callbacks.ModelCheckpoint(out / "model.keras")
    history = model.fit(
        list(train),
        validation_data=(list(test), None),
        batch_size=64,
        epochs=epochs,
        callbacks=[draw, save],
    )
    plots.loss_curves(history.history).savefig(out / "loss_curves.png")
    metrics = model.evaluate(*test, batch_size=1000, verbose=0, return_dict=True)
    inferred = model.classifier.predict(test[0], batch_size=1000, verbose=0).argmax(-1)
    metrics["error %"] = 100 * np.mean(inferred != test[1])
    return model, metrics


def main(
    data: str = "mnist",
    epochs: int = 20,
    out: Path = Path("runs/label_inferring_vae"),
    seed: int = 0,
    folds: int = 0,
    fold: int = -1,
) -> None:
    """Train the model, or one for each fold, and draw its pictures."""
    x_train, y_train, x_test, y_test, names = datasets.load(data)
    if folds:
        splits = list(
            StratifiedKFold(folds, shuffle=True, random_state=seed).split(x_train, y_train)
        )
        results = []
        for i in range(folds) if fold < 0 else [fold]:
            parts = [(x_train[rows], y_train[rows]) for rows in splits[i]]
            results.append(train(*parts, len(names), epochs, out / f"fold_{i}", seed)[1])
    else:
        parts = (x_train, y_train), (x_test, y_test)
        model, metrics = train(*parts, len(names), epochs, out, seed)
        results = [metrics]
        x = x_test[:16]
        inferred = model.classifier.predict(x, verbose=0).argmax(-1)
        drawn = model.reconstruct(x)
        plots.reconstructions(x, drawn, labels=inferred).savefig(out / "inferred.png")
        swaps = [model.reconstruct(x, as_labels=digit) for digit in range(len(names))]
        figure = plots.label_swaps(x, np.stack(swaps, 1), np.arange(len(names)))
        figure.savefig(out / "styles.png")

    print(
        f"\nafter {epochs} epochs | original | "
        + " | ".join(f"run {i}" for i in range(len(results)))
    )
    for name in results[0]:
        values = [result[name] for result in results]
        spread = f" | mean {np.mean(values):.2f}, sd {np.std(values):.2f}" if folds else ""
        print(f"{name:>15} | pictures | " + " | ".join(f"{v:.2f}" for v in values) + spread)


if __name__ == "__main__":
    typer.run(main)
