"""Semi-supervised digits: test error by the number of labels, with many unlabelled images.

    python scripts/experiments/semi_supervised.py 100 --seed 0 --seed 1 --seed 2
    python scripts/experiments/semi_supervised.py 100 600 1000 3000 --seed 0
    python scripts/experiments/semi_supervised.py        # table and plot of all trained models

The model M2 of Kingma et al., 2014: unknown labels are summed out (`conditions.Enumerated`).
Encoder and decoder are dense, 794-128-32-128-784; the classifier q(y | x) is a small convolutional
network. It is trained on shifted and rotated labelled images, and to predict the same for an
unlabelled image and its shifted and rotated copy (`--no-augment` turns this off). All classes have
the same number of labelled images; half of each batch is sampled from these, the other half from
all images, without labels. For comparison, the same classifier is trained only on the labelled
images, shifted and rotated as well, for the same number of steps. Adam, a learning rate that
decreases from 1e-3 to 0 along a cosine.

Each model has a folder in `--out` with model, log and result; an interrupted training continues
after its last complete epoch. `--validate` measures on a tenth of the training images, to choose
settings; the test images are only used for the final measurement.
"""

import csv
import json
import platform
import time
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer

import keras_cvae
from keras_cvae import conditions, datasets, layers, networks

STEPS = 100  # per epoch
PYRO = {100: 6.81, 600: 5.63, 1000: 5.13, 3000: 4.18}  # Pyro's M2, error in %
METHODS = ("semi-supervised", "labels alone")


class Network(networks.Dense):
    """Dense encoder and decoder, and a convolutional classifier."""

    def classifier_features(self, image):
        x = image
        for filters, size in ((16, 5), (32, 3)):
            x = keras.layers.Conv2D(filters, size, padding="same", activation="relu")(x)
            x = keras.layers.MaxPooling2D()(x)
        x = keras.layers.Dropout(0.5)(keras.layers.Flatten()(x))
        x = keras.layers.Dense(128, activation="relu")(x)
        return keras.layers.Dropout(0.5)(x)


def augment() -> keras.layers.Layer:
    """Returns a layer that shifts by up to a tenth of the image, and rotates up to 18 degrees."""
    options = {"fill_mode": "constant"}
    shift = keras.layers.RandomTranslation(0.1, 0.1, **options)
    return keras.Sequential([shift, keras.layers.RandomRotation(0.05, **options)], name="augment")


class Batches(keras.utils.PyDataset):
    """Random batches of labelled and unlabelled images; `STEPS` batches make an epoch.

    Args:
        x: Images.
        y: Their labels.
        labelled: Indices of the labelled images, the same number of each class.
        labels: Number of labelled images in a batch.
        others: Number of unlabelled images in a batch.
        seed: Seed of the batches.
    """

    def __init__(self, x, y, labelled, labels, others, seed):
        super().__init__()
        self.x, self.y, self.labelled = x, y, labelled
        self.labels, self.others = labels, others
        self.rng = np.random.default_rng(seed)

    def __len__(self):
        return STEPS

    def __getitem__(self, index):
        rows = self.rng.choice(self.labelled, self.labels)
        without = self.rng.choice(len(self.x), self.others)
        labels = np.concatenate([self.y[rows], np.full(self.others, conditions.UNKNOWN)])
        return self.x[np.concatenate([rows, without])], labels.astype("int32")


class Clock(keras.callbacks.Callback):
    """Adds the seconds of each epoch to its logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        logs["seconds"] = time.perf_counter() - self.start


def choose(y, count: int, num_classes: int, seed: int):
    """Returns indices of `count` labelled images, the same number of each class."""
    rng = np.random.default_rng(seed)
    each = count // num_classes
    rows = [rng.choice(np.flatnonzero(y == c), each, replace=False) for c in range(num_classes)]
    return np.concatenate(rows)


def build(method: str, image_shape, num_classes: int, weight: float, augmented: bool):
    """Returns the model of a method, and arguments of `compile` other than the optimizer."""
    changes = augment() if augmented else None
    network = Network((128,))
    if method == METHODS[0]:
        condition = conditions.Enumerated(num_classes, weight, augment=changes)
        return keras_cvae.build_cvae(image_shape, condition, 32, network=network), {}
    image = keras.Input(image_shape, name="image")
    classifier = network.classifier(image_shape, num_classes)
    logits = classifier(image if changes is None else changes(image))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return layers.ImageModel(image, logits), {"loss": loss}


def error(model, x, y) -> float:
    """Returns the error of the classifier in %."""
    classifier = model.classifier if isinstance(model, keras_cvae.CVAE) else model
    predicted = classifier.predict(x, batch_size=500, verbose=0).argmax(-1)
    return 100.0 * float(np.mean(predicted != y))


def train(method, data, labels, epochs, batch_size, weight, augmented, out, seed):
    """Returns a model: loaded if it exists, otherwise trained."""
    if (out / "model.keras").exists():
        return keras.saving.load_model(out / "model.keras")
    keras.utils.set_random_seed(seed)
    x, y, num_classes = data.x_train, data.y_train, len(data.class_names)
    model, options = build(method, x.shape[1:], num_classes, weight, augmented)
    rate = keras.optimizers.schedules.CosineDecay(1e-3, epochs * STEPS)
    model.compile(optimizer=keras.optimizers.Adam(rate), **options)
    half = batch_size // 2
    others = half if method == METHODS[0] else 0
    batches = Batches(x, y, choose(y, labels, num_classes, seed), half, others, seed)
    backup = keras.callbacks.BackupAndRestore(out / "backup", double_checkpoint=True)
    log = keras.callbacks.CSVLogger(out / "history.csv", append=True)
    model.fit(batches, epochs=epochs, callbacks=[backup, Clock(), log], verbose=2)
    model.save(out / "model.keras")
    return model


def load_results(out: Path) -> list[dict]:
    """Returns the results of all models of a folder."""
    return [json.loads(path.read_text()) for path in sorted(out.glob("*/result.json"))]


def errors(results, method, labels) -> list[float]:
    """Returns the error of each seed of a method."""
    return [r["error"] for r in results if (r["method"], r["labels"]) == (method, labels)]


def spread(values) -> float:
    """Returns the standard deviation over seeds, 0 for a single seed."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else 0.0


def table(results) -> str:
    """Returns the table, a row for each number of labels."""
    lines = [
        "| labels | semi-supervised | labels alone | Pyro's M2 | training |",
        "|---" * 5 + "|",
    ]
    for labels in sorted({r["labels"] for r in results}):
        cells = [f"{labels:,}"]
        for method in METHODS:
            values = errors(results, method, labels)
            mean = f"{np.mean(values):.2f}% ± {spread(values):.2f}" if values else "-"
            cells.append(f"{mean} ({', '.join(f'{value:.2f}' for value in values)})")
        cells.append(f"{PYRO[labels]}%" if labels in PYRO else "-")
        ours = [r for r in results if r["labels"] == labels and r["method"] == METHODS[0]]
        minutes = [r["seconds"] / 60 for r in ours]
        cells.append(
            f"{ours[0]['epochs']} epochs of {STEPS} steps, {np.mean(minutes):.0f} min, "
            f"{ours[0]['hardware']}"
            if ours
            else "-"
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(results, path: Path) -> None:
    """Plots the error against the number of labels."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    counts = sorted({r["labels"] for r in results})
    seeds = 0
    for method, colour in zip(METHODS, ("tab:blue", "tab:orange"), strict=True):
        each = {count: errors(results, method, count) for count in counts}
        each = {count: values for count, values in each.items() if values}
        means = [np.mean(values) for values in each.values()]
        bars = [*map(spread, each.values())]
        axes.errorbar([*each], means, bars, label=method, color=colour, marker="o", capsize=3)
        seeds = max([seeds, *map(len, each.values())])
    if results[0]["data"] == "mnist":
        shown = [count for count in PYRO if count in counts]
        axes.plot(shown, [PYRO[c] for c in shown], "k:x", label="M2, published by Pyro")
    axes.set(xscale="log", yscale="log", xlabel="labelled training images", ylabel="test error, %")
    axes.set_xticks(counts, [f"{count:,}" for count in counts], minor=False)
    axes.minorticks_off()
    low, high = axes.get_ylim()
    axes.set_ylim(low := low / 1.2, high := high * 1.2)
    ticks = [tick for tick in (0.5, 1, 2, 3, 4, 5, 7, 10, 20, 50) if low < tick < high]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_title(
        f"{results[0]['data']}: mean and standard deviation of up to {seeds} seeds\n"
        "scripts/experiments/semi_supervised.py",
        fontsize=10,
    )
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def main(
    labels: Annotated[
        list[int] | None, typer.Argument(help="Numbers of labels to train with.")
    ] = None,
    data: str = "mnist",
    epochs: int = 150,
    batch_size: int = 100,
    weight: float = 500.0,
    augmented: Annotated[bool, typer.Option("--augment/--no-augment")] = True,
    validate: bool = False,
    out: Path = Path("runs/semi_supervised"),
    seed: Annotated[list[int], typer.Option(help="May be repeated.")] = [0],  # noqa: B006
) -> None:
    """Train models that are not in `--out` yet; print the table and plot all results."""
    dataset = datasets.load(data) if labels else None
    if validate and labels:
        x, y, *held_out = datasets.hold_out(dataset, seed=0)
        dataset = dataset._replace(x_train=x, y_train=y, x_test=held_out[0], y_test=held_out[1])
    for count in labels or ():
        for each in seed:
            for method in METHODS:
                folder = out / f"{method.replace(' ', '-')}-{count}-{each}"
                folder.mkdir(parents=True, exist_ok=True)
                if (folder / "result.json").exists():
                    continue
                options = (epochs, batch_size, weight, augmented, folder, each)
                model = train(method, dataset, count, *options)
                with (folder / "history.csv").open() as file:
                    history = [float(epoch["seconds"]) for epoch in csv.DictReader(file)]
                result = {"method": method, "labels": count, "seed": each, "data": Path(data).stem}
                result["error"] = error(model, dataset.x_test, dataset.y_test)
                result |= {"epochs": len(history), "seconds": sum(history)}
                result["hardware"] = f"{platform.machine()}, {keras.backend.backend()}"
                (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
                print(f"{folder.name}: error {result['error']:.2f}%", flush=True)
    results = load_results(out)
    if results:
        print(f"\n{table(results)}")
        plot(results, out / "errors.png")


if __name__ == "__main__":
    typer.run(main)
