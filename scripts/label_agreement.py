"""How often generated digits are read as the label asked for, by an independent classifier.

    python scripts/label_agreement.py runs/conv_cvae/model.keras [more models ...]

The classifier, a small convolutional network, is trained on the real images alone and kept in
`--out`. Each model draws `--count` images, the labels in turn, at temperatures 1, 0.8 and 0.6.
"""

from pathlib import Path

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import datasets

DENSE_VAE = (87.7, 95.1, 99.0)  # a plain dense model, latent 20
TEMPERATURES = (1.0, 0.8, 0.6)


def train_classifier(dataset, epochs: int, path: Path) -> keras.Model:
    """Returns the classifier kept at `path`, or trains it and keeps it there."""
    if path.exists():
        return keras.saving.load_model(path)
    layers = keras.layers
    image = keras.Input(dataset.x_train.shape[1:])
    x = layers.Conv2D(32, 3, padding="same", activation="relu")(image)
    x = layers.MaxPooling2D()(x)
    x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(0.3)(layers.Flatten()(layers.MaxPooling2D()(x)))
    x = layers.Dropout(0.3)(layers.Dense(128, activation="relu")(x))
    classifier = keras.Model(image, layers.Dense(len(dataset.class_names))(x))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile("adam", loss, metrics=["accuracy"])
    classifier.fit(unit(dataset.x_train), dataset.y_train, batch_size=128, epochs=epochs)
    classifier.save(path)
    return classifier


def unit(images: np.ndarray) -> np.ndarray:
    """Returns pixels in [0, 1], as float32."""
    return images.astype("float32") / (255 if images.dtype == np.uint8 else 1)


def main(
    models: list[Path],
    data: str = "mnist",
    epochs: int = 4,
    out: Path = Path("runs/label_agreement"),
    seed: int = 0,
    count: int = 10_000,
) -> None:
    """Print the share of right labels for each model."""
    out.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(seed)
    dataset = datasets.load(data)
    classifier = train_classifier(dataset, epochs, out / "classifier.keras")
    logits = classifier.predict(unit(dataset.x_test), batch_size=1000, verbose=0)
    accuracy = 100 * np.mean(logits.argmax(-1) == dataset.y_test)
    print(f"\nclassifier: {accuracy:.2f}% of the real test images")
    print(f"{'% read as asked, at temperature':>50} | " + " | ".join(map(str, TEMPERATURES)))
    print(f"{'a plain dense model, latent 20':>50} | " + " | ".join(map(str, DENSE_VAE)))
    labels = np.arange(count) % len(dataset.class_names)
    for path in models:
        model: keras_cvae.CVAE = keras.saving.load_model(path)
        shares = []
        for temperature in TEMPERATURES:
            images = model.generate(labels, temperature=temperature, seed=seed, batch_size=1000)
            logits = classifier.predict(images, batch_size=1000, verbose=0)
            shares.append(f"{100 * np.mean(logits.argmax(-1) == labels):.1f}")
        print(f"{str(path)[-50:]:>50} | " + " | ".join(shares))


if __name__ == "__main__":
    typer.run(main)
