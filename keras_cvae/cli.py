"""The command `keras-cvae`: train a model and use it, without writing Python.

A run is a folder: `train` leaves in it the model, the settings, the history, the metrics and the
pictures, and the other commands take it up. The backend is the one that `KERAS_BACKEND` names.
"""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from typer import Option

import keras_cvae
from keras_cvae import conditions, networks, objectives, plots, runs
from keras_cvae.checks import look_up, require
from keras_cvae.data import datasets
from keras_cvae.runs import pictures

HIDDEN = 0.1  # share of labels that training hides, so that `--label -1` means something

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` wrote.")]
Data = Annotated[str, Option(help=f"{', '.join(datasets.NAMES)}, or the path of your own data.")]
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
    label_dropout: Annotated[float, Option(help="Share of labels to hide in training.")] = HIDDEN,
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
    of_network = {
        "hidden_units": hidden_units and _integers("--hidden-units", hidden_units, ","),
        "filters": filters and _integers("--filters", filters, ","),
        "activation": activation,
    }
    condition = functools.partial(conditions.Classes, dropout=label_dropout)
    require(
        conditional or label_dropout in (0, HIDDEN),
        "`--label-dropout` must be left out of an unconditional model",
        label_dropout,
    )
    try:
        run = runs.train(
            data,
            out,
            force=force,
            image_size=image_size and _height_and_width(image_size),
            network=_network(network, of_network),
            latent_dim=latent_dim,
            likelihood=likelihood,
            binarize=binarize,
            condition=condition if conditional else None,
            objective=objectives.ELBO(beta),
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
            begun=_say_what_is_trained,
        )
    except KeyboardInterrupt as stop:
        _say(str(stop) or "Stopped")
        raise typer.Exit(130) from None
    numbers = ", ".join(
        f"{name} {run.metrics[name]:.2f}" for name in ("elbo", *run.model.elbo_terms)
    )
    print(f"Test: {numbers} nats per image\nPictures: {run.folder}/samples.png and others")


@app.command()
def generate(
    folder: RunFolder,
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
    run = runs.Run.load(folder)
    model, names = run.model, run.class_names
    labels = _labels("--label", label, names) if label else range(model.num_classes or 0)
    labels = np.resize(np.array(labels, "int32"), count) if len(labels) else None
    images = model.generate(labels, count=count, temperature=temperature, seed=seed)
    if labels is None:
        labels = np.full(count, keras_cvae.conditions.UNKNOWN, "int32")
    if out.suffix == ".npz":
        np.savez_compressed(out, images=images, labels=labels)
    elif len(set(labels)) == 1:
        plots.sheet(pictures.drawable(images)).savefig(out)
    else:
        figure = plots.class_rows(
            pictures.drawable(images), labels, class_names=names, columns=count
        )
        figure.savefig(out)
    print(f"Wrote {count} images to {out}")


@app.command()
def reconstruct(
    folder: RunFolder,
    out: Out,
    as_label: Annotated[str | None, Option(help="Class to turn the images into.")] = None,
    data: OtherData = None,
    count: Count = 16,
    force: Force = False,
) -> None:
    """Encode test images and decode them, in the same style, as another class if asked."""
    _check_out_file(out, force)
    run = runs.Run.load(folder)
    model = run.model
    images, labels, class_names = run.test_images(data, count)
    targets = labels
    if as_label is not None:
        targets = np.full_like(labels, _labels("--as-label", [as_label], run.class_names))
    label_arguments = (labels, targets) if model.num_classes or as_label is not None else ()
    decoded = model.reconstruct(images, *label_arguments)
    if out.suffix == ".npz":
        arrays = dict(images=images, labels=labels, reconstructed=decoded, as_labels=targets)
        np.savez_compressed(out, **arrays)
    else:
        style = dict(labels=labels, class_names=class_names, max_images=count)
        plots.reconstructions(
            pictures.drawable(images), pictures.drawable(decoded), **style
        ).savefig(out)
    print(f"Wrote {len(images)} test images and their reconstructions to {out}")


@app.command()
def evaluate(folder: RunFolder, data: OtherData = None) -> None:
    """Measure a trained model on test images; print the numbers as JSON."""
    print(json.dumps(runs.Run.load(folder).measure(data), indent=2))


@app.command()
def plot(
    folder: RunFolder,
    kind: Annotated[str, Option(help=f"What to draw: {', '.join(pictures.KINDS)}.")],
    out: Annotated[Path, Option(metavar="FILE.png", help="The picture.")],
    label: Annotated[str | None, Option(help="Class, by name or number.")] = None,
    axes: Annotated[str | None, Option(help="Dimensions of z, as 0,1.")] = None,
    count: Annotated[int | None, Option(min=1, help="How many images, paths or steps.")] = None,
    spherical: Annotated[bool, Option("--spherical", help="Turn rather than go straight.")] = False,
    data: OtherData = None,
    seed: Annotated[int | None, Option(min=0, max=2**32 - 1, help="Seed of samples.")] = None,
    force: Force = False,
) -> None:
    """Draw a picture of a trained model: what it makes, and its latent space.

    Latent pictures of a conditional model are of one class, the first by default.
    """
    draw = look_up("--kind", kind, pictures.KINDS)
    options = dict(label=label, axes=axes, count=count, data=data, seed=seed)
    options["spherical"] = spherical or None
    options = {name: value for name, value in options.items() if value is not None}
    known = [name for name in inspect.signature(draw).parameters if name != "run"]
    takes = ", ".join(f"`--{name}`" for name in known) or "no options"
    for name in options:
        require(name in known, f"A picture of kind '{kind}' takes {takes}", f"--{name}")
    _check_out_file(out, force, suffixes=(".png",))
    if axes is not None:
        options["axes"] = _integers("--axes", axes, ",")
    run = runs.Run.load(folder)
    if label is not None:
        (options["label"],) = _labels("--label", [label], run.class_names)
    draw(run, **options).savefig(out)
    print(f"Wrote {kind} to {out}")


def _check_out_file(out, force, suffixes=(".png", ".npz")):
    require(out.suffix in suffixes, f"`--out` must end in {' or '.join(suffixes)}", f"'{out}'")
    expected = "`--out` must be a new file, or one to replace with `--force`"
    require(force or not out.exists(), expected, f"'{out}', which exists")
    out.parent.mkdir(parents=True, exist_ok=True)


def _labels(option, texts, class_names):
    numbers = {str(label): label for label in range(-1, len(class_names))}
    names = {name: label for label, name in enumerate(class_names)}
    return [look_up(option, text, numbers | names) for text in texts]  # a name wins over a number


def _integers(option, text, separator):
    expected = f"`{option}` must be integers with '{separator}' between them"
    matches = re.fullmatch(rf"-?\d+({separator}-?\d+)*", text)
    require(matches, expected, repr(text))
    return [int(number) for number in text.split(separator)]


def _network(name, options):
    kind = look_up("--network", name, networks.NAMES)
    options = {option: value for option, value in options.items() if value is not None}
    known = [option for option in inspect.signature(kind).parameters if option != "network"]
    for option in options:
        takes = f"`--network {name}` must be given options that it takes, {', '.join(known)}"
        require(option in known, takes, f"--{option.replace('_', '-')}")
    return kind(**options)


def _height_and_width(text):
    sizes = _integers("--image-size", text, "x")
    return sizes * 2 if len(sizes) == 1 else sizes


def _say_what_is_trained(run):
    data, shape, model = run.config["data"], run.config["image_shape"], run.config["model"]
    kind = "conditional" if model["condition"] else "unconditional"
    network = type(model["network"]).__name__.lower()
    print(
        f"Data: {data['name']}, {len(run.dataset.x_train)} training and "
        f"{len(run.dataset.x_test)} test images of {'x'.join(map(str, shape))}, "
        f"{len(run.class_names)} classes\n"
        f"Model: {network}, {kind}, latent_dim {model['latent_dim']}, "
        f"{run.model.count_params():,} parameters, on {run.config['backend']}\n"
        f"Run: {run.folder}"
    )


def _say(message):
    print("keras-cvae:", *str(message).split(), file=sys.stderr)


if __name__ == "__main__":
    main()
