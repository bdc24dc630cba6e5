"""Likelihoods of MNIST compared with published ones, in nats per image; lower is better.

    python scripts/experiments/reproduce_likelihoods.py unconditional-1 conditional-5 --epochs 300
    python scripts/experiments/reproduce_likelihoods.py    # the table of all trained rows

Model and training of the IWAE paper: 784-200-200-50 with tanh, pixels binarized at random in each
step, Adam (epsilon 1e-4), batches of 20, a learning rate of 1e-3 * 10^(-i/7) for 3^i epochs, i = 0
to 7, in total 3,280; with fewer `--epochs` all stages are shortened in proportion. The last bias
of the decoder starts at the log-odds of the mean image. Otherwise latent dimensions collapse while
it is learned (40 epochs, 2,000 validation images, two seeds: log p -98.3 with this start, -100.2
without). A conditional model learns p(z | y) and is measured by log p(x | y).

The row `conv-flow` is not a reproduction. It is compared with the best published figure of the
other rows: a convolutional network, latent size 50, a flow of six
couplings as p(z | y), the ELBO; Adam with batches of 100, a learning rate that decreases from 1e-3
to 0 along a cosine over 200 epochs, and at the end the moving average of the weights. It is slow
to measure: use `--samples 500`.

Each row has a folder in `--out` with model, log and result; an interrupted row continues after its
last complete epoch. The test images are only used for the final measurement.
"""

import csv
import dataclasses
import json
import platform
import time
from pathlib import Path
from typing import Annotated, NamedTuple

import keras
import numpy as np
import typer
from scipy import special

import keras_cvae
from keras_cvae import datasets, evaluation, networks, objectives, priors

LATENT_DIM = 50


@dataclasses.dataclass(frozen=True)
class Paper:
    """Training as in the paper, with a number of samples of z."""

    samples: int

    stages = range(8)  # of the learning rate
    epochs = sum(3**i for i in stages)
    batch_size = 20
    adam = {"epsilon": 1e-4}

    def learning_rate(self, epochs: int, steps: int):
        """Returns the schedule for a number of epochs and of steps per epoch."""
        ends = np.cumsum([3**i for i in self.stages])[:-1] / self.epochs * epochs * steps
        rates = [1e-3 * 10 ** (-i / 7) for i in self.stages]
        return keras.optimizers.schedules.PiecewiseConstantDecay([*map(round, ends)], rates)

    def parts(self, conditional: bool) -> dict:
        """Returns arguments of `build_cvae`."""
        return {
            "network": networks.Dense((200, 200), activation="tanh"),
            "prior": "conditional" if conditional else "standard_normal",
            "objective": "elbo" if self.samples == 1 else objectives.IWAE(self.samples),
        }

    def start(self, cvae: keras_cvae.CVAE, images) -> None:
        """Sets the last bias to the logits of the mean image."""
        mean = np.clip(images.mean(axis=0) / 255, 0.001, 0.999)
        cvae.get_layer("decoder").weights[-1].assign(special.logit(mean).ravel())


class ConvFlow:
    """Training of the row `conv-flow`."""

    epochs = 200
    batch_size = 100
    adam = {"use_ema": True, "ema_momentum": 0.999}

    def learning_rate(self, epochs: int, steps: int):
        """Returns the schedule for a number of epochs and of steps per epoch."""
        return keras.optimizers.schedules.CosineDecay(1e-3, epochs * steps)

    def parts(self, conditional: bool) -> dict:
        """Returns arguments of `build_cvae`."""
        return {"network": "conv", "prior": priors.Flow(6, (128,), conditional=conditional)}

    def start(self, cvae: keras_cvae.CVAE, images) -> None:
        """Leaves the weights as they are."""


class Row(NamedTuple):
    """A published figure, -log p in nats, and the training of our model."""

    published: float
    recipe: Paper | ConvFlow
    conditional: bool


ROWS = {  # a later rerun of Burda et al., 2016; the same conditional on the label
    "unconditional-1": Row(86.35, Paper(1), False),
    "unconditional-5": Row(85.18, Paper(5), False),
    "unconditional-50": Row(84.59, Paper(50), False),
    "conditional-1": Row(82.32, Paper(1), True),
    "conditional-5": Row(81.41, Paper(5), True),
    "conditional-50": Row(80.78, Paper(50), True),
    "conv-flow": Row(80.78, ConvFlow(), True),
}


class Clock(keras.callbacks.Callback):
    """Adds the seconds of each epoch to its logs."""

    def on_epoch_begin(self, epoch, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs):
        logs["seconds"] = time.perf_counter() - self.start


def train(row: Row, data, epochs: int, out: Path, seed: int) -> keras_cvae.CVAE:
    """Returns the model of a row: loaded if it exists, otherwise trained."""
    if (out / "model.keras").exists():
        return keras.saving.load_model(out / "model.keras")
    keras.utils.set_random_seed(seed)
    recipe = row.recipe
    condition = len(data.class_names) if row.conditional else None
    options = {"binarize": "dynamic", **recipe.parts(row.conditional)}
    cvae = keras_cvae.build_cvae(data.x_train.shape[1:], condition, LATENT_DIM, **options)
    recipe.start(cvae, data.x_train)
    rate = recipe.learning_rate(epochs, -(-len(data.x_train) // recipe.batch_size))
    cvae.compile(keras.optimizers.Adam(rate, **recipe.adam))
    x = [data.x_train, data.y_train] if row.conditional else data.x_train
    backup = keras.callbacks.BackupAndRestore(out / "backup", double_checkpoint=True)
    log = keras.callbacks.CSVLogger(out / "history.csv", append=True)
    callbacks = [backup, Clock(), log]
    cvae.fit(x, batch_size=recipe.batch_size, epochs=epochs, callbacks=callbacks, verbose=2)
    cvae.save(out / "model.keras")
    return cvae


def measure(row: Row, cvae, data, samples: int, limit: int | None, seed: int) -> dict:
    """Returns minus log p of the test images, and its standard error."""
    x, y = data.x_test[:limit], data.y_test[:limit] if row.conditional else None
    log_p = evaluation.log_likelihood(cvae, x, y, samples=samples, seed=seed)
    error = log_p.std(ddof=1) / len(log_p) ** 0.5
    return {"ours": -log_p.mean(), "error": error, "images": len(x), "samples": samples}


def table(out: Path) -> str:
    """Returns a table of the rows that have a result."""
    lines = [
        "| -log p, nats per image | published | ours | epochs | test | training time, machine |"
    ]
    lines.append("|---" * 6 + "|")
    for name, row in ROWS.items():
        if (out / name / "result.json").exists():
            result = json.loads((out / name / "result.json").read_text())
            cells = [name, f"{row.published:.2f}", f"{result['ours']:.2f} ± {result['error']:.2f}"]
            recipe = "all epochs" if result["epochs"] == row.recipe.epochs else "shortened"
            cells += [f"{result['epochs']:,}, {recipe}"]
            cells += [f"{result['images']:,} images, {result['samples']:,} samples"]
            cells += [f"{result['seconds'] / 60:.0f} min, {result['hardware']}"]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(
    rows: Annotated[list[str] | None, typer.Argument(help=", ".join(ROWS))] = None,
    data: str = "mnist",
    epochs: int | None = None,
    samples: int = 5000,
    limit: int | None = None,
    out: Path = Path("runs/reproduce_likelihoods"),
    seed: int = 0,
) -> None:
    """Train rows that are not in `--out` yet, and print the table of all trained rows."""
    for name in rows or ():
        if name not in ROWS:
            raise typer.BadParameter(f"must be one of {', '.join(ROWS)}. Received: {name}")
    dataset = datasets.load(data) if rows else None
    for name in rows or ():
        row, folder = ROWS[name], out / name
        folder.mkdir(parents=True, exist_ok=True)
        cvae = train(row, dataset, epochs or row.recipe.epochs, folder, seed)
        result = measure(row, cvae, dataset, samples, limit, seed)
        with (folder / "history.csv").open() as file:
            history = [float(epoch["seconds"]) for epoch in csv.DictReader(file)]
        hardware = f"{platform.machine()}, Keras on {keras.backend.backend()}"
        result |= {"epochs": len(history), "seconds": sum(history), "hardware": hardware}
        (folder / "result.json").write_text(json.dumps(result, indent=2, default=float) + "\n")
    print(f"\n{table(out)}")


if __name__ == "__main__":
    typer.run(main)
