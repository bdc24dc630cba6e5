"""Structured prediction: one, two or three quadrants of a digit are seen, the model draws the rest.

    python scripts/experiments/image_completion.py                   # all of it, and the table
    python scripts/experiments/image_completion.py grey-1 drawn-3 --epochs 10

The part that is seen is a condition, `conditions.Image`, from which p(z | seen) is learned; the
pixels that are not seen are the image. First a deterministic network is trained to guess them, the
baseline. Its hidden layers start the condition's network, and the decoder adds what z says to its
guess, as the recurrent connection of Sohn et al. does; all is then trained together.

Rows `grey-1` to `grey-3` follow Pyro's example: the seen quadrants are the lower left, then the
upper left, then the upper right one too, and the figure is minus the ELBO of grey pixels, or the
baseline's cross-entropy, over the pixels that are not seen. In rows `drawn-1` to `drawn-3` pixels
are black or white, drawn anew in training and once for testing, and the figure is minus the
importance-weighted log p(rest | seen). A sixth of the training images says which epoch was the
best, where Pyro's example asks the test images. Each row is a folder of `--out`; an interrupted
one goes on after its last whole epoch.
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
    """How many quadrants are seen, the kind of pixels, and published figures in nats.

    With three quadrants seen z has little to say, and in a long training it falls silent for good:
    on validation images 12 epochs were the better of 12 and 40, with one or two 40.
    """

    quadrants: int
    is_drawn: bool
    baseline: float | None
    model: float

    @property
    def epochs(self) -> int:
        """How many epochs the model is trained for; the baseline half of them."""
        return 12 if self.quadrants == 3 else 40


ROWS = {  # Pyro's example of a conditional VAE; Sohn et al., 2015, by importance sampling
    "grey-1": Row(1, False, 100.4, 71.8),
    "grey-2": Row(2, False, 61.9, 51.0),
    "grey-3": Row(3, False, 25.4, 24.2),
    "drawn-1": Row(1, True, None, 63.91),
    "drawn-2": Row(2, True, None, 44.73),
    "drawn-3": Row(3, True, None, 20.95),
}
UNITS, LATENT_DIM = 500, 50
PARTS = ("train", "valid", "test")


class Data(NamedTuple):
    """By part, images whole, and the pixels of them that are seen and that are not."""

    whole: dict[str, np.ndarray]
    mask: np.ndarray
    seen: dict[str, np.ndarray]
    rest: dict[str, np.ndarray]


def load(row: Row, dataset) -> Data:
    """The pixels of a row; those of the last sixth of the training images validate."""
    scale = 255 if dataset.x_train.dtype == "uint8" else 1
    train, test = (x.astype("float32") / scale for x in (dataset.x_train, dataset.x_test))
    held_out = len(train) // 6
    whole = dict(zip(PARTS, (train[:-held_out], train[-held_out:], test), strict=True))
    if row.is_drawn:
        rng = np.random.default_rng(0)
        for part in PARTS[1:]:
            whole[part] = (rng.random(whole[part].shape) < whole[part]).astype("float32")
    height, width, _ = train.shape[1:]
    mask = np.zeros((height, width), bool)
    mask[height // 2 :, : width // 2] = True
    mask[:, : width // 2] |= row.quadrants > 1
    mask[: height // 2] |= row.quadrants > 2
    seen, rest = (
        {part: np.reshape(x[:, where], (len(x), -1)) for part, x in whole.items()}
        for where in (mask, ~mask)
    )
    return Data(whole, mask, seen, rest)


def fit(model, x, y, valid, monitor, epochs: int, path: Path) -> None:
    """Trains, where it was interrupted goes on, and keeps the weights that validate best."""
    log = path.with_suffix(".csv")
    found = [float(line[f"val_{monitor}"]) for line in rows_of(log)]
    choose, mode = (max, "max") if monitor == "elbo" else (min, "min")
    best = keras.callbacks.ModelCheckpoint(
        path.with_suffix(".weights.h5"),
        monitor=f"val_{monitor}",
        mode=mode,
        save_best_only=True,
        save_weights_only=True,
        initial_value_threshold=choose(found) if found else None,
    )
    backup = keras.callbacks.BackupAndRestore(path.with_suffix(".backup"), double_checkpoint=True)
    clock = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: logs.update(at=time.time())
    )
    keeping = [best, clock, keras.callbacks.CSVLogger(log, append=True), backup]
    options = {"batch_size": 128, "epochs": epochs, "validation_data": valid, "verbose": 2}
    model.fit(x, y, callbacks=keeping, **options)
    model.load_weights(path.with_suffix(".weights.h5"))
    model.save(path)


def rows_of(log: Path) -> list[dict]:
    """The epochs of a log, if there is one."""
    if not log.exists():
        return []
    with log.open() as file:
        return [*csv.DictReader(file)]


def optimizer(count: int, epochs: int) -> keras.optimizers.Optimizer:
    """Adam, whose learning rate falls to 0."""
    steps = epochs * -(-count // 128)
    return keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, steps))


def train_baseline(row: Row, data: Data, epochs: int, path: Path) -> keras.Model:
    """A network that guesses the rest: two hidden layers, and logits."""
    if path.exists():
        return keras.saving.load_model(path, compile=False)
    first = [keras_cvae.layers.Binarize("dynamic")] if row.is_drawn else []
    hidden = [layers.Dense(UNITS, activation="relu") for _ in range(2)]
    size = data.rest["train"].shape[1]
    features = keras.Sequential([keras.Input(data.seen["train"].shape[1:]), *first, *hidden])
    baseline = keras.Sequential([features, layers.Dense(size, name="guess")])

    def nats(rest, logits):
        return size * keras.losses.binary_crossentropy(rest, logits, from_logits=True)

    valid = data.seen["valid"], data.rest["valid"]
    baseline.compile(optimizer(len(data.seen["train"]), epochs), loss=nats)
    fit(baseline, data.seen["train"], data.rest["train"], valid, "loss", epochs, path)
    return keras.saving.load_model(path, compile=False)


def build(row: Row, baseline: keras.Model, warmup: int) -> keras_cvae.CVAE:
    """The model, which starts from the baseline: z has no price before it is of use."""
    features, guess = baseline.layers
    size = guess.units

    def hidden(x):
        for _ in range(2):
            x = layers.Dense(UNITS, activation="relu")(x)
        return x

    rest, z, y = keras.Input((size,)), keras.Input((LATENT_DIM,)), keras.Input((UNITS,))
    x = hidden(layers.Concatenate()([rest, y]))
    narrow = keras.initializers.Constant(-4.0)  # a z of much noise would be ignored from the start
    heads = [layers.Dense(LATENT_DIM)(x), layers.Dense(LATENT_DIM, bias_initializer=narrow)(x)]
    encoder = keras.Model([rest, y], heads)
    change = layers.Dense(size)(hidden(layers.Concatenate()([z, y])))
    decoder = keras.Model([z, y], layers.Add()([guess(y), change]))
    return keras_cvae.build_cvae(
        (size,),
        conditions.Image(features),
        LATENT_DIM,
        network=(encoder, decoder),
        prior=priors.Conditional((UNITS,), "relu"),
        objective=objectives.Warmup(epochs=warmup),
        binarize="dynamic" if row.is_drawn else None,
    )


def train(row: Row, data: Data, baseline, epochs: int, path: Path) -> keras_cvae.CVAE:
    """The model of a row: the one that is kept, or one that is trained now."""
    if path.exists():
        return keras.saving.load_model(path)
    cvae = build(row, baseline, max(1, epochs // 5))
    cvae.compile(optimizer(len(data.rest["train"]), epochs))
    x, valid = ([data.rest[part], data.seen[part]] for part in PARTS[:2])
    fit(cvae, x, None, (valid, None), "elbo", epochs, path)
    return cvae


def measure(row: Row, cvae, baseline, data: Data, samples: int, limit: int | None, seed: int):
    """Nats of the rest of the test images, and their standard errors."""
    seen, rest = data.seen["test"][:limit], data.rest["test"][:limit]
    logits = baseline.predict(seen, verbose=0)
    of_baseline = np.logaddexp(0, logits).sum(1) - (rest * logits).sum(1)
    elbo = evaluation.terms(cvae, rest, seen, draws=10, seed=seed)["elbo"]
    found = {"baseline": of_baseline, "elbo": -elbo}
    if row.is_drawn:
        options = {"samples": samples, "seed": seed}
        found["model"] = -evaluation.log_likelihood(cvae, rest, seen, **options)
    else:
        found["model"] = found["elbo"]
    means = {name: float(values.mean()) for name, values in found.items()}
    error = float(found["model"].std(ddof=1) / len(rest) ** 0.5)
    return {**means, "error": error, "images": len(rest), "samples": samples}


def table(out: Path) -> str:
    """The rows that have a result."""
    names = ["nats of the rest", "published: baseline", "published: model"]
    names += ["ours: baseline", "ours: model", "epochs", "minutes"]
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    for name, row in ROWS.items():
        if (out / name / "result.json").exists():
            found = json.loads((out / name / "result.json").read_text())
            cells = [name, "" if row.baseline is None else str(row.baseline), str(row.model)]
            cells += [f"{found['baseline']:.2f}", f"{found['model']:.2f} ± {found['error']:.2f}"]
            cells += [f"{found['epochs']}", f"{found['seconds'] / 60:.0f}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def completed(data: Data, whole, pixels) -> np.ndarray:
    """Images whose pixels that are not seen are others."""
    images = np.array(whole)
    images[:, ~data.mask] = np.reshape(pixels, (len(images), -1, images.shape[-1]))
    return images


def draw(data: Data, cvae, baseline, count: int, seed: int) -> np.ndarray:
    """Test images: what is seen, what the model draws, the baseline's guess, and the whole."""
    whole, seen = data.whole["test"][:count], data.seen["test"][:count]
    each = 6
    drawn = cvae.generate(np.repeat(seen, each, axis=0), seed=seed).reshape(count, each, -1)
    guess = keras.ops.convert_to_numpy(keras.ops.sigmoid(baseline.predict(seen, verbose=0)))
    columns = [0.5, *drawn.swapaxes(0, 1), guess]
    hidden = np.shape(guess)
    columns = [completed(data, whole, np.broadcast_to(pixels, hidden)) for pixels in columns]
    return np.stack([*columns, whole], axis=1)


def main(
    rows: Annotated[list[str] | None, typer.Argument(help=", ".join(ROWS))] = None,
    data: str = "mnist",
    epochs: int | None = None,
    samples: int = 100,
    limit: int | None = None,
    out: Path = Path("runs/image_completion"),
    seed: int = 0,
) -> None:
    """Train what is not there yet, print the table, and draw what is not seen in several ways."""
    unknown = set(rows or ()) - set(ROWS)
    if unknown:
        raise typer.BadParameter(f"must be among {', '.join(ROWS)}. Received: {unknown}")
    dataset = datasets.load(data)
    pictures, names = [], []
    for name in rows or ROWS:
        row, folder = ROWS[name], out / name
        folder.mkdir(parents=True, exist_ok=True)
        print(f"{name}: {row.quadrants} of 4 quadrants are seen", flush=True)
        pixels = load(row, dataset)
        keras.utils.set_random_seed(seed)
        count = epochs or row.epochs
        baseline = train_baseline(row, pixels, max(1, count // 2), folder / "baseline.keras")
        cvae = train(row, pixels, baseline, count, folder / "model.keras")
        baseline = keras.saving.load_model(folder / "baseline.keras", compile=False)
        result = measure(row, cvae, baseline, pixels, samples, limit, seed)
        trained = {line["epoch"] for line in rows_of(folder / "model.csv")}
        result |= {"epochs": len(trained), "seconds": seconds(folder)}
        result["backend"] = keras.backend.backend()
        (folder / "result.json").write_text(json.dumps(result, indent=2) + "\n")
        pictures.append(draw(pixels, cvae, baseline, 4, seed))
        names += [f"{name}" if i == 0 else "" for i in range(len(pictures[-1]))]
    columns = ["seen", *(f"draw {i + 1}" for i in range(6)), "baseline", "whole"]
    figure = mosaic(np.concatenate(pictures), row_labels=names, column_labels=columns, headers=True)
    figure.savefig(out / "completions.png")
    print(f"\n{table(out)}\nPicture: {out / 'completions.png'}")


def seconds(folder: Path) -> float:
    """How long the epochs of a row took, by their median: interruptions do not count."""
    total = 0.0
    for name in ("baseline", "model"):
        ends = [float(line["at"]) for line in rows_of(folder / f"{name}.csv")]
        total += np.median(np.diff(ends)) * len(ends) if len(ends) > 1 else 0.0
    return float(total)


if __name__ == "__main__":
    typer.run(main)
