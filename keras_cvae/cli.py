"""The command `keras-cvae`: train a model and use it, without writing Python.

A run is a folder: `train` leaves in it the model, the settings, the history, the metrics and the
pictures, and the other commands take it up. The backend is the one that `KERAS_BACKEND` names.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import typer
from typer import Option

import keras_cvae
from keras_cvae import datasets, plots
from keras_cvae.errors import look_up

MODEL, CONFIG, HISTORY, METRICS = "model.keras", "config.json", "history.csv", "metrics.json"
PICTURES = ("loss_curves.png", "reconstructions.png", "samples.png")
DIAGRAMS = ("encoder.png", "decoder.png", "cvae.png")
NAMED_DATA = ("digits", "mnist", "fashion_mnist")

Run = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` wrote.")]
Data = Annotated[str, Option(help="digits, mnist, fashion_mnist, or the path of your own data.")]
OtherData = Annotated[str | None, Option(help="Data to take.  [default: what it was trained on]")]
Out = Annotated[Path, Option(metavar="FILE", help="A .png picture or an .npz file of arrays.")]
LabelSwitch = Annotated[bool, Option("--conditional/--unconditional", help="Learn from labels?")]
Force = Annotated[bool, Option("--force", help="Replace what is there already.")]
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help="Seed of all randomness.")]
Count = Annotated[int, Option(min=1, help="How many images.")]

app = typer.Typer(
    help="Conditional variational autoencoders: train one, then draw from it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command; bad input ends it with one line on stderr and exit code 2.

    Args:
        args: Arguments of the command; by default those of the process.

    Raises:
        SystemExit: Always.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # for authors of libraries
        warnings.showwarning = lambda message, *_, **__: _say(message)
        try:
            app(args, prog_name="keras-cvae")
        except (ValueError, OSError) as error:
            _say(error)
            sys.exit(2)


@app.command()
def train(
    data: Data = "digits",
    out: Annotated[Path | None, Option(help="Folder of the run.  [default: runs/DATA]")] = None,
    force: Force = False,
    network: Annotated[str, Option(help="dense or conv.")] = "dense",
    latent_dim: Annotated[int, Option(help="Size of the latent vector z.")] = 8,
    hidden_units: Annotated[str | None, Option(help="Of a dense network, as 500,500.")] = None,
    filters: Annotated[str | None, Option(help="Of a conv network, as 32,64.")] = None,
    activation: Annotated[str | None, Option(help="Of the hidden layers: relu, tanh, ...")] = None,
    likelihood: Annotated[str, Option(help="Of the pixels: bernoulli, gaussian.")] = "bernoulli",
    binarize: Annotated[str | None, Option(help="Of grey pixels: threshold or dynamic.")] = None,
    conditional: LabelSwitch = True,
    label_dropout: Annotated[float | None, Option(help="Share of labels to hide, or 0.1.")] = None,
    beta: Annotated[float, Option(help="Weight of the KL divergence; 1 trains the ELBO.")] = 1.0,
    learning_rate: Annotated[float, Option(min=0, help="Of the optimizer, Adam.")] = 1e-3,
    epochs: Annotated[int, Option(min=1, help="Passes over the training images.")] = 100,
    batch_size: Annotated[int, Option(min=1, help="Images in a training step.")] = 64,
    image_size: Annotated[str | None, Option(help="Resize images, to HEIGHTxWIDTH.")] = None,
    seed: Seed = 0,
) -> None:
    """Train a model; leave it, its numbers and its pictures in a run folder.

    Your own data are an .npz file with x_train, y_train, x_test and y_test, a folder of IDX files,
    or a folder with one sub-folder of images a class.
    """
    path = Path(data).expanduser().resolve()
    run = out or Path("runs") / path.stem
    _check_run_folder(run, force)
    size = image_size and _integers("--image-size", image_size, "x")
    if label_dropout is None:
        label_dropout = 0.1 if conditional else 0.0
    options = dict(latent_dim=latent_dim, network=network, likelihood=likelihood, beta=beta)
    options |= dict(binarize=binarize, label_dropout=label_dropout)
    hidden_units = hidden_units and _integers("--hidden-units", hidden_units, ",")
    filters = filters and _integers("--filters", filters, ",")
    given = dict(hidden_units=hidden_units, filters=filters, activation=activation)
    options |= {name: value for name, value in given.items() if value is not None}

    dataset = _load_data(data, size)
    names, image_shape = dataset.class_names, dataset.x_train.shape[1:]
    plots.sheet(_drawable(dataset.x_test[:1]))  # refuses what cannot be drawn, before training
    keras.utils.set_random_seed(seed)
    model = keras_cvae.build_cvae(image_shape, len(names) if conditional else None, **options)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate))

    run.mkdir(parents=True, exist_ok=True)
    for file in (MODEL, CONFIG, HISTORY, METRICS, *PICTURES, *DIAGRAMS):
        (run / file).unlink(missing_ok=True)  # nothing of a replaced run stays beside the new one
    fit_options = dict(epochs=epochs, batch_size=batch_size)
    name = data if data in NAMED_DATA else str(path)  # absolute: others may use the run from afar
    config = {
        "data": {"name": name, "digest": datasets.digest(dataset), "image_size": size},
        "image_shape": image_shape,
        "class_names": names,
        "model": {"conditional": conditional, **options},
        "training": {"learning_rate": learning_rate, "seed": seed, **fit_options},
        "backend": keras.backend.backend(),
        "versions": _versions(),
    }
    _write_json(run / CONFIG, config)
    print(
        f"Data: {data}, {len(dataset.x_train)} training and {len(dataset.x_test)} test images of "
        f"{'x'.join(map(str, image_shape))}, {len(names)} classes\n"
        f"Model: {network}, {'conditional' if conditional else 'unconditional'}, latent_dim "
        f"{latent_dim}, {model.count_params():,} parameters, on {keras.backend.backend()}\n"
        f"Run: {run}"
    )
    saver = _SaveEachEpoch(run / MODEL)
    fit_options["callbacks"] = [keras.callbacks.CSVLogger(run / HISTORY), saver]
    x_train = _inputs(model, dataset.x_train, dataset.y_train)
    x_test = _inputs(model, dataset.x_test, dataset.y_test)
    try:
        history = model.fit(x_train, validation_data=(x_test, None), **fit_options).history
    except KeyboardInterrupt:
        _say(f"Stopped after epoch {saver.epochs}; {run / MODEL} holds the weights so far")
        raise typer.Exit(130) from None
    if saver.epochs < len(history["loss"]):
        raise ValueError(
            f"The loss must stay finite; it did up to epoch {saver.epochs}, kept in {run / MODEL}. "
            f"Try a smaller `--learning-rate`. Received: {learning_rate}"
        )
    metrics = _measure(model, dataset)
    _write_json(run / METRICS, metrics)
    _draw(run, model, dataset, history, seed)
    print(
        "Test: ELBO {elbo:.2f}, reconstruction {reconstruction:.2f}, kl {kl:.2f} nats per image\n"
        "Pictures: {run}/samples.png and others".format(run=run, **metrics)
    )


@app.command()
def generate(
    run: Run,
    out: Out,
    label: Annotated[list[str] | None, Option(help="Class, by name or number.")] = None,
    count: Count = 16,
    temperature: Annotated[float, Option(min=0, help="Below 1: more typical, less varied.")] = 1.0,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Draw new images from a trained model.

    `--label` may be repeated, and images take the labels in turn; by default they take every class.
    `--label -1` draws without a label.
    """
    _check_out_file(out, force)
    model, config = _load_run(run)
    names = config["class_names"]
    labels = _labels("--label", label, names) if label else range(model.num_classes or 0)
    labels = np.resize(np.array(labels, "int32"), count) if len(labels) else None
    images = model.generate(labels, count=count, temperature=temperature, seed=seed)
    if labels is None:
        labels = np.full(count, keras_cvae.conditions.UNKNOWN, "int32")
    if out.suffix == ".npz":
        np.savez_compressed(out, images=images, labels=labels)
    elif len(set(labels)) == 1:
        plots.sheet(_drawable(images)).savefig(out)
    else:
        figure = plots.class_rows(_drawable(images), labels, class_names=names, columns=count)
        figure.savefig(out)
    print(f"Wrote {count} images to {out}")


@app.command()
def reconstruct(
    run: Run,
    out: Out,
    as_label: Annotated[str | None, Option(help="Class to turn the images into.")] = None,
    data: OtherData = None,
    count: Count = 16,
    force: Force = False,
) -> None:
    """Encode test images and decode them, in the same style, as another class if asked."""
    _check_out_file(out, force)
    model, config = _load_run(run)
    dataset = _load_data(data or config["data"]["name"], config["data"]["image_size"])
    images, labels = dataset.x_test[:count], dataset.y_test[:count]
    targets = labels
    if as_label is not None:
        targets = np.full_like(labels, _labels("--as-label", [as_label], config["class_names"]))
    label_arguments = (labels, targets) if model.num_classes or as_label is not None else ()
    decoded = model.reconstruct(images, *label_arguments)
    if out.suffix == ".npz":
        arrays = dict(images=images, labels=labels, reconstructed=decoded, as_labels=targets)
        np.savez_compressed(out, **arrays)
    else:
        style = dict(labels=labels, class_names=dataset.class_names, max_images=count)
        plots.reconstructions(_drawable(images), _drawable(decoded), **style).savefig(out)
    print(f"Wrote {len(images)} test images and their reconstructions to {out}")


@app.command()
def evaluate(run: Run, data: OtherData = None) -> None:
    """Measure a trained model on test images; print the numbers as JSON."""
    model, config = _load_run(run)
    dataset = _load_data(data or config["data"]["name"], config["data"]["image_size"])
    print(json.dumps(_measure(model, dataset), indent=2))


class _SaveEachEpoch(keras.callbacks.Callback):
    """Saves the model before training and after every epoch of finite losses.

    What an interrupted run keeps are the weights of whole epochs: in the middle of one, JAX may
    have given the weights' memory to a step whose result is lost.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.epochs = 0

    def on_train_begin(self, logs=None):
        self.epochs = 0
        self._save()

    def on_epoch_end(self, epoch, logs=None):
        if all(map(math.isfinite, logs.values())):  # val_loss knows what the last step did
            self._save()
            self.epochs = epoch + 1
        else:
            self.model.stop_training = True

    def _save(self):
        partial = self.path.with_stem("unfinished")
        try:
            self.model.save(partial)
            os.replace(partial, self.path)  # a good file is never half overwritten
        finally:
            partial.unlink(missing_ok=True)


def _measure(model, dataset) -> dict:
    x_test = _inputs(model, dataset.x_test, dataset.y_test)
    terms = model.evaluate(x_test, batch_size=256, verbose=0, return_dict=True)
    terms = {name: terms[name] for name in ("reconstruction", "kl")}
    unit = "nats per image, from one draw of z for each test image"
    return {"elbo": -sum(terms.values()), **terms, "images": len(dataset.x_test), "unit": unit}


def _draw(run, model, dataset, history, seed):
    names, x, y = dataset.class_names, dataset.x_test[:16], dataset.y_test[:16]
    decoded = _drawable(model.reconstruct(x, y if model.num_classes else None))
    if model.num_classes:
        labels = np.repeat(np.arange(model.num_classes), 10)
        samples = _drawable(model.generate(labels, seed=seed))
        samples = plots.class_rows(samples, labels, class_names=names, title="Samples")
    else:
        samples = plots.sheet(_drawable(model.generate(count=100, seed=seed)), title="Samples")
    pairs = plots.reconstructions(_drawable(x), decoded, labels=y, class_names=names)
    for name, figure in zip(PICTURES, (plots.loss_curves(history), pairs, samples), strict=True):
        figure.savefig(run / name)
    style = dict(show_shapes=True, show_layer_names=True, dpi=100)
    try:
        for name, part in zip(DIAGRAMS, (model.encoder, model.decoder, model), strict=True):
            keras.utils.plot_model(part, run / name, **style)
    except ImportError:
        install = "apt-get install graphviz, or brew install graphviz"
        _say(f"No diagrams of the networks: they need Graphviz ({install})")


def _inputs(model, images, labels):
    return [images, labels] if model.num_classes else images


def _drawable(images):
    """Images as `plots` takes them: floats clipped to [0, 1], a vector as one row of pixels."""
    images = images if images.dtype == np.uint8 else np.clip(images, 0.0, 1.0)
    return images[:, None] if images.ndim == 2 else images


def _load_data(name, size):
    return datasets.load(name, image_size=size[0] if size and len(size) == 1 else size)


def _load_run(run):
    if not (_is_run(run) and (run / MODEL).is_file()):
        expected = f"a folder that `keras-cvae train` wrote, with {CONFIG} and {MODEL}"
        raise ValueError(f"'{run}' is no run: expected {expected}")
    try:
        return keras.saving.load_model(run / MODEL), json.loads((run / CONFIG).read_text())
    except Exception as error:  # zip, HDF5 and Keras each raise errors of their own
        received = f"{type(error).__name__}: {error}"
        raise ValueError(f"'{run / MODEL}' is damaged. Received: {received}") from error


def _is_run(folder):
    try:
        return "keras_cvae" in json.loads((folder / CONFIG).read_text())["versions"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check_run_folder(run, force):
    if not run.exists() or (run.is_dir() and not any(run.iterdir())):
        return
    if not _is_run(run):
        raise ValueError(f"'{run}' exists and is no run: choose another `--out`")
    if not force:
        raise ValueError(f"'{run}' exists: choose another `--out`, or replace it with `--force`")


def _check_out_file(out, force):
    if out.suffix not in (".png", ".npz"):
        raise ValueError(f"`--out` must end in .png or .npz. Received: '{out}'")
    if out.exists() and not force:
        raise ValueError(f"'{out}' exists: choose another `--out`, or replace it with `--force`")
    out.parent.mkdir(parents=True, exist_ok=True)


def _labels(option, texts, class_names):
    numbers = {str(label): label for label in range(-1, len(class_names))}
    names = {name: label for label, name in enumerate(class_names)}
    return [look_up(option, text, numbers | names) for text in texts]  # a name wins over a number


def _integers(option, text, separator):
    try:
        return [int(number) for number in text.split(separator)]
    except ValueError:
        expected = f"integers with '{separator}' between them"
        raise ValueError(f"`{option}` must be {expected}. Received: {text!r}") from None


def _versions():
    backend = keras.backend.backend()
    modules = {"keras_cvae": keras_cvae, "keras": keras, "numpy": np, backend: sys.modules[backend]}
    versions = {name: module.__version__ for name, module in modules.items()}
    return {"python": platform.python_version(), **versions}


def _write_json(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n")


def _say(message):
    print("keras-cvae:", *str(message).split(), file=sys.stderr)


if __name__ == "__main__":
    main()
