"""Structured prediction: the model completes digits of which one to three quadrants are visible.

    python scripts/experiments/image_completion.py                   # all rows, and the table
    python scripts/experiments/image_completion.py grey-1 binary-3 --epochs 10

The visible part is the condition, `conditions.Image`, from which p(z | visible) is learned; the
hidden pixels are the image. First a deterministic network is trained to predict them, the
baseline. Its hidden layers initialize the network of the condition, and the decoder adds a
function of z to its prediction, like the recurrent connection of Sohn et al.; then all layers are
trained.

Rows `grey-1` to `grey-3` follow Pyro's example: the visible quadrants are the lower left, then
also the upper left, then also the upper right. The figure is minus the ELBO of grey pixels, or the
cross-entropy of the baseline, summed over the hidden pixels. In rows `binary-1` to `binary-3`
pixels are binarized at random, in each step of training and once for testing, and the figure is
minus the importance-weighted log p(hidden | visible). A sixth of the training images selects the
best epoch, where Pyro's example uses the test images. Each row has a folder in `--out`; an
interrupted row continues after its last complete epoch.
"""

import csv
import json
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import keras
import numpy as np
import typer
from keras import layers

import keras_cvae
from keras_cvae import conditions, datasets, evaluation, objectives, priors
from keras_cvae.plots.mosaic import mosaic


class Row(NamedTuple):
    """Number of visible quadrants, the kind of pixels, and published figures in nats.

    With three visible quadrants z is of little use, and in a long training the posterior collapses:
    on validation images 12 epochs were better than 40; with one or two quadrants, 40 were.
    """

    quadrants: int
    is_binary: bool
    baseline: float | None
    model: float

    @property
    def epochs(self) -> int:
        """Number of epochs of the model; the baseline is trained for half of them."""
        return 12 if self.quadrants == 3 else 40


ROWS = {  # Pyro's example of a conditional VAE; Sohn et al., 2015, by importance sampling
    "grey-1": Row(1, False, 100.4, 71.8),
    "grey-2": Row(2, False, 61.9, 51.0),
    "grey-3": Row(3, False, 25.4, 24.2),
    "binary-1": Row(1, True, None, 63.91),
    "binary-2": Row(2, True, None, 44.73),
    "binary-3": Row(3, True, None, 20.95),
}
UNITS, LATENT_DIM = 500, 50
PARTS = ("train", "valid", "test")


class Data(NamedTuple):
    """For each part of the data, the images, and their visible and hidden pixels."""

    images: dict[str, np.ndarray]
    mask: np.ndarray
    visible: dict[str, np.ndarray]
    hidden: dict[str, np.ndarray]


def load(row: Row, dataset) -> Data:
    """Returns the data of a row; the last sixth of the training images is for validation."""
    scale = 255 if dataset.x_train.dtype == "uint8" else 1
    train, test = (x.astype("float32") / scale for x in (dataset.x_train, dataset.x_test))
    held_out = len(train) // 6
    images = dict(zip(PARTS, (train[:-held_out], train[-held_out:], test), strict=True))
    if row.is_binary:
        rng = np.random.default_rng(0)
        for part in PARTS[1:]:
            images[part] = (rng.random(images[part].shape) < images[part]).astype("float32")
    height, width, _ = train.shape[1:]
    mask = np.zeros((height, width), bool)
    mask[height // 2 :, : width // 2] = True
    mask[:, : width // 2] |= row.quadrants > 1
    mask[: height // 2] |= row.quadrants > 2
    visible, hidden = (
        {part: np.reshape(x[:, where], (len(x), -1)) for part, x in images.items()}
        for where in (mask, ~mask)
    )
    return Data(images, mask, visible, hidden)


def fit(model, x, y, valid, monitor, epochs: int, path: Path) -> None:
    """Trains or resumes training, and saves the weights of the best epoch in validation."""
    log = path.with_suffix(".csv")
    values = [float(line[f"val_{monitor}"]) for line in read_log(log)]
    choose, mode = (max, "max") if monitor == "elbo" else (min, "min")
    best = keras.callbacks.ModelCheckpoint(
        path.with_suffix(".weights.h5"),
        monitor=f"val_{monitor}",
        mode=mode,
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=choose(values) if values else None,
    )
    backup = keras.callbacks.BackupAndRestore(path.with_suffix(".backup"), double_checkpoint=True)
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(at=time.time())
    )
    callbacks = [best, clock, keras.callbacks.CSVLogger(log, append=True), backup]
    options = {"batch_size": 128, "epochs": epochs, "validation_data": valid, "verbose": 2}
    model.fit(x, y, callbacks=callbacks, **options)
    model.load_weights(path.with_suffix(".weights.h5"))
    model.save(path)


def read_log(log: Path) -> list[dict]:
    """Returns the epochs of a log, none if it does not exist."""
    if not log.exists():
        return []
    with log.open() as file:
        return [*csv.DictReader(file)]


def optimizer(count: int, epochs: int) -> keras.optimizers.Optimizer:
    """Returns Adam with a learning rate that decreases to 0."""
    steps = epochs * -(-count // 128)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))


def train_baseline(row: Row, data: Data, epochs: int, path: Path) -> keras.Model:
    """Returns a network that predicts the hidden pixels: two hidden layers, and logits."""
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    first = [keras_cvae.layers.Binarize("dynamic")] if row.is_binary else []
    hidden = [layers.Dense(UNITS, activation="relu") for _ in range(2)]
    size = data.hidden["train"].shape[1]
    features = keras.Sequential([keras.Input(data.visible["train"].shape[1:]), *first, *hidden])
    baseline = keras.Sequential([features, layers.Dense(size, name="prediction")])

    def nats(pixels, logits):
        return size * keras.losses.binary_crossentropy(pixels, logits, from_logits=True)

    valid = data.visible["valid"], data.hidden["valid"]
    baseline.compile(optimizer(len(data.visible["train"]), epochs), loss=nats)
    fit(baseline, data.visible["train"], data.hidden["train"], valid, "loss", epochs, path)
    return keras.saving.load_model(path, compile=False)


def build(row: Row, baseline: keras.Model, warmup: int) -> keras_cvae.CVAE:
    """Builds the model, which starts from the baseline; the weight of the KL increases from 0."""
    features, prediction = baseline.layers
    size = prediction.units

    def hidden_layers(x):
        for _ in range(2):
            x = layers.Dense(UNITS, activation="relu")(x)
        return x

    pixels, z, y = keras.Input((size,)), keras.Input((LATENT_DIM,)), keras.Input((UNITS,))
    x = hidden_layers(layers.Concatenate()([pixels, y]))
    narrow = keras.initializers.Constant(-4.0)  # a noisy z would be ignored from the start
    heads = [layers.Dense(LATENT_DIM)(x), layers.Dense(LATENT_DIM, bias_initializer=narrow)(x)]
    encoder = keras.Model([pixels, y], heads)
    change = layers.Dense(size)(hidden_layers(layers.Concatenate()([z, y])))
    decoder = keras.Model([z, y], layers.Add()([prediction(y), change]))
    return keras_cvae.build_cvae(
        (size,),
        conditions.Image(features),
        LATENT_DIM,
        network=(encoder, decoder),
        prior=priors.Conditional((UNITS,), "relu"),
        objective=objectives.Warmup(epochs=warmup),
        binarize="dynamic" if row.is_binary else None,
    )


def train(row: Row, data: Data, baseline, epochs: int, path: Path) -> keras_cvae.CVAE:
    """Returns the model of a row: loaded if it exists, otherwise trained."""
    if path.exists():
        return keras.saving.load_model(path)
    cvae = build(row, baseline, max(1, epochs // 5))
    cvae.compile(optimizer(len(data.hidden["train"]), epochs))
    x, valid = ([data.hidden[part], data.visible[part]] for part in PARTS[:2])
    fit(cvae, x, None, (valid, None), "elbo", epochs, path)
    return cvae


def measure(row: Row, cvae, baseline, data: Data, samples: int, limit: int | None, seed: int):
    """Returns nats per test image, summed over hidden pixels, with the standard error."""
    visible, hidden = data.visible["test"][:limit], data.hidden["test"][:limit]
    logits = baseline.predict(visible, verbose=0)
    cross_entropy = np.logaddexp(0, logits).sum(1) - (hidden * logits).sum(1)
    elbo = evaluation.terms(cvae, hidden, visible, draws=10, seed=seed)["elbo"]
    nats = {"baseline": cross_entropy, "elbo": -elbo}
    if row.is_binary:
        options = {"samples": samples, "seed": seed}
        nats["model"] = -evaluation.log_likelihood(cvae, hidden, visible, **options)
    else:
        nats["model"] = nats["elbo"]
    means = {name: float(values.mean()) for name, values in nats.items()}
    error = float(nats["model"].std(ddof=1) / len(hidden) ** 0.5)
    return {**means, "error": error, "images": len(hidden), "samples": samples}


def table(out: Path) -> str:
    """Returns a table of the rows that have a result."""
    names = ["nats of hidden pixels", "published: baseline", "published: model"]
    names += ["ours: baseline", "ours: model", "epochs", "minutes"]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for name, row in ROWS.items():
        if (out / name / "result.json").exists():
            result = json.loads((out / name / "result.json").read_text())
            cells = [name, "" if row.baseline is None else str(row.baseline), str(row.model)]
            cells += [f"{result['baseline']:.2f}", f"{result['model']:.2f} ± {result['error']:.2f}"]
            cells += [f"{result['epochs']}", f"{result['seconds'] / 60:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fill_in(data: Data, images, pixels) -> np.ndarray:
    """Returns images whose hidden pixels are replaced."""
    images = np.array(images)
    images[:, ~data.mask] = np.reshape(pixels, (len(images), -1, images.shape[-1]))
    return images


def draw_completions(data: Data, cvae, baseline, count: int, seed: int) -> np.ndarray:
    """Returns, for test images, the visible part, completions and the original, side by side."""
    images, visible = data.images["test"][:count], data.visible["test"][:count]
    each = 6
    samples = cvae.generate(np.repeat(visible, each, axis=0), seed=seed).reshape(count, each, -1)
    logits = baseline.predict(visible, verbose=0)
    columns = [0.5, *samples.swapaxes(0, 1), keras.ops.convert_to_numpy(keras.ops.sigmoid(logits))]
    columns = [fill_in(data, images, np.broadcast_to(each, logits.shape)) for each in columns]
    return np.stack([*columns, images], axis=1)


def main(
    rows: Annotated[list[str] | None, typer.Argument(help=", ".join(ROWS))] = None,
    data: str = "mnist",
    epochs: int | None = None,
    samples: int = 100,
    limit: int | None = None,
    out: Path = Path("runs/image_completion"),
    seed: int = 0,
) -> None:
    """Train rows that are not in `--out` yet, print the table, and plot completions."""
    unknown = set(rows or ()) - set(ROWS)
    if unknown:
        raise typer.BadParameter(f"must be among {', '.join(ROWS)}. Received: {unknown}")
    dataset = datasets.load(data)
    pictures, names = [], []
    for name in rows or ROWS:
        row, folder = ROWS[name], out / name
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{name}: {row.quadrants} of 4 quadrants are visible", flush=True)
        pixels = load(row, dataset)
        keras.utils.set_random_seed(seed)
        count = epochs or row.epochs
        baseline = train_baseline(row, pixels, max(1, count // 2), folder / "baseline.keras")
        cvae = train(row, pixels, baseline, count, folder / "model.keras")
        baseline = keras.saving.load_model(folder / "baseline.keras", compile=False)
        result = measure(row, cvae, baseline, pixels, samples, limit, seed)
        finished = {line["epoch"] for line in read_log(folder / "model.csv")}
        result |= {"epochs": len(finished), "seconds": seconds(folder)}
        result["backend"] = keras.backend.backend()
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        pictures.append(draw_completions(pixels, cvae, baseline, 4, seed))
        names += [f"{name}" if i == 0 else "" for i in range(len(pictures[-1]))]
    columns = ["visible", *(f"sample {i + 1}" for i in range(6)), "baseline", "original"]
    figure = mosaic(np.concatenate(pictures), row_labels=names, column_labels=columns, headers=True)
    figure.savefig(out / "completions.png")
    print(f"\n{table(out)}\nPicture: {out / 'completions.png'}")


def seconds(folder: Path) -> float:
    """Returns the training time of a row by its median epoch, so without interruptions."""
    total = 0.0
    for name in ("baseline", "model"):
        ends = [float(line["at"]) for line in read_log(folder / f"{name}.csv")]
        total += np.median(np.diff(ends)) * len(ends) if len(ends) > 1 else 0.0
    return float(total)


if __name__ == "__main__":
    typer.run(main)
