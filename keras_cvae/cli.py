"""The command `keras-cvae`: train a model and use it, without writing Python.

A run is a folder: `train` leaves in it the model, the settings, the history, the metrics and the
pictures, and the other commands take it up. The backend is the one that `KERAS_BACKEND` names.
"""

from __future__ import annotations

import functools
import inspect
import logging
import math
import os
import re
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
from keras_cvae import (
    checks,
    cli_options,
    cli_tables,
    conditions,
    corruptions,
    likelihoods,
    networks,
    objectives,
    plots,
    priors,
    runs,
)
from keras_cvae.checks import look_up, require
from keras_cvae.data import datasets
from keras_cvae.data.table_files import is_table
from keras_cvae.data.table_files import write as write_table
from keras_cvae.runs import pictures, table_pictures
from keras_cvae.runs.choosing import AUTO
from keras_cvae.runs.reading import METRICS
from keras_cvae_command import LOG_LEVEL, QUIET, without_log

PICTURES = pictures.KINDS | table_pictures.KINDS
OUT_SUFFIXES = runs.Run.suffixes + runs.TableRun.suffixes

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder that `train` wrote.")]
Data = Annotated[str, Option(help=f"{', '.join(datasets.NAMES)}, or the path of your own data.")]
OtherData = Annotated[str | None, Option(help="Data to take.  [default: what it was trained on]")]
Out = Annotated[
    Path, Option(metavar="FILE", help="A .png picture or .npz arrays; of a table .csv or .parquet.")
]
LabelSwitch = Annotated[bool, Option("--conditional/--unconditional", help="Learn from labels?")]
Force = Annotated[bool, Option("--force", help="Replace what is there already.")]
Quiet = Annotated[bool, Option("--quiet", help="Show the result of training alone.")]
Seed = Annotated[int, Option(min=0, max=2**32 - 1, help="Seed of all randomness.")]
Count = Annotated[int, Option(min=1, help="How many images, or rows.")]

# What the Python functions call otherwise than the options that give it.
OPTIONS = {
    "name_or_path": "--data",
    "dropout": "--label-dropout",
    "test_fraction": "--test-share",
    "labelled": "--unconditional",
}


class Commands(typer.core.TyperGroup):
    """The commands; bad input or Ctrl-C ends one with one line on stderr."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # of `| head`, which typer sees to
            raise
        except (ValueError, OSError) as error:
            _say(_in_options(str(error), self.commands[ctx.invoked_subcommand]))
            raise typer.Exit(2) from None
        except KeyboardInterrupt as stop:
            _say(str(stop) or "Stopped")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    help="Conditional variational autoencoders: train one, then draw from it.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command; bad input ends it with one line on stderr and exit code 2, Ctrl-C with 130.

    Args:
        args: Arguments of the command; by default those of the process.

    Raises:
        SystemExit: Always.
    """
    if os.environ.get(LOG_LEVEL) == QUIET:
        # It takes the programs of several models for one that is traced again and again.
        logging.getLogger("tensorflow").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # for authors of libraries
        warnings.showwarning = lambda message, *_, **__: _say(message)
        app(args, prog_name="keras-cvae")


def _say_version(asked):
    if asked:
        backend = keras.backend.backend()
        print(f"keras-cvae {keras_cvae.__version__}, keras {keras.__version__}, on {backend}")
        raise typer.Exit()


Version = Option("--version", is_eager=True, callback=_say_version, help="Show the version.")


@app.callback()
def _options(version: Annotated[bool, Version] = False) -> None:
    """Options of no command."""


@app.command()
def train(
    data: Data = "digits",
    out: Annotated[Path | None, Option(help="Folder of the run.  [default: runs/DATA]")] = None,
    force: Force = False,
    network: Annotated[str, Option(help=f"auto, {', '.join(networks.NAMES)}.")] = AUTO,
    latent_dim: Annotated[str, Option(help="Size of the latent vector z, or auto.")] = AUTO,
    hidden_units: Annotated[str | None, Option(help="Of a dense network, as 500,500.")] = None,
    filters: Annotated[str | None, Option(help="Of a conv or residual network, as 32,64.")] = None,
    activation: Annotated[str | None, Option(help="Of the hidden layers: relu, tanh, ...")] = None,
    inject: Annotated[
        str | None,
        Option(help=f"Where labels enter it: {', '.join(networks.INJECTIONS)}.  [default: input]"),
    ] = None,
    likelihood: Annotated[str, Option(help=f"auto, {', '.join(likelihoods.NAMES)}.")] = AUTO,
    prior: Annotated[str, Option(help=f"{', '.join(priors.NAMES)}.")] = "standard_normal",
    objective: Annotated[str, Option(help=f"{', '.join(objectives.NAMES)}.")] = "elbo",
    binarize: Annotated[str | None, Option(help="Of grey pixels: threshold or dynamic.")] = None,
    corruption: Annotated[
        str | None, Option(help=f"Noise to learn to remove: {', '.join(corruptions.NAMES)}.")
    ] = None,
    conditional: LabelSwitch = True,
    condition: cli_tables.Condition = None,
    columns: cli_tables.Columns = None,
    infer_label: Annotated[bool, Option("--infer-label", help="Predict labels too.")] = False,
    enumerate_label: Annotated[
        bool, Option("--enumerate-label", help="The same, and sum over those that are -1.")
    ] = False,
    label_dropout: Annotated[
        float | None, Option(help="Share of labels to hide in training.  [default: 0.1]")
    ] = None,
    beta: Annotated[
        str, Option(help="Weight of the KL divergence (or of the total correlation), or auto.")
    ] = AUTO,
    learning_rate: Annotated[float, Option(help="Of Adam, at first; it falls to 0.")] = 1e-3,
    epochs: Annotated[str, Option(help="Most passes over the training images, or auto.")] = AUTO,
    batch_size: Annotated[str, Option(help="Images in a training step, or auto.")] = AUTO,
    early_stopping: Annotated[bool, Option(help="Stop where validation images ask.")] = True,
    fit_prior: Annotated[bool, Option(help="Fit the prior to the encodings afterwards.")] = True,
    image_size: Annotated[str | None, Option(help="Resize images, to HEIGHTxWIDTH.")] = None,
    class_names: Annotated[str | None, Option(help="Names of the classes, as cat,dog.")] = None,
    test_share: Annotated[float, Option(help="Share to test with, if not split already.")] = 0.2,
    seed: Seed = 0,
    quiet: Quiet = False,
) -> None:
    """Train a model; leave it, its numbers and its pictures in a run folder.

    Your own data are an .npz file with x_train, y_train, x_test and y_test, or x and y to be split;
    a folder of IDX files; or a folder with one sub-folder of images a class. With `--unconditional`
    no labels are needed. Or they are a table, a .csv or .parquet file, of whose columns those that
    `--condition` names are given and the others learned.
    """
    if is_table(data):
        of_images = {
            "--image-size": image_size,
            "--class-names": class_names,
            "--binarize": binarize,
            "--infer-label": infer_label or None,
            "--enumerate-label": enumerate_label or None,
            "--unconditional": None if conditional else "which a table is without --condition",
        }
        begin = cli_tables.training(condition, columns, label_dropout, of_images)
    else:
        cli_tables.leave_out({"--condition": condition, "--columns": columns}, "a table")
        begin = functools.partial(
            runs.train,
            image_size=cli_options.height_and_width(image_size),
            class_names=class_names and class_names.split(","),
            condition=cli_options.condition(
                conditional, infer_label, enumerate_label, label_dropout
            ),
            binarize=binarize,
        )
    of_network = {
        "hidden_units": cli_options.integers("--hidden-units", hidden_units, ","),
        "filters": cli_options.integers("--filters", filters, ","),
        "activation": activation,
        "inject": inject,
    }
    with without_log():
        keras.utils.set_random_seed(seed)  # which imports TensorFlow, whatever the backend
    try:
        run = begin(
            data,
            out,
            force=force,
            test_fraction=test_share,
            network=cli_options.network(network, of_network),
            latent_dim=cli_options.number_or_auto("--latent-dim", latent_dim),
            likelihood=likelihood,
            prior=prior,
            corruption=corruption,
            objective=cli_options.objective(objective, beta),
            learning_rate=checks.number("--learning-rate", learning_rate, above=0),
            epochs=cli_options.number_or_auto("--epochs", epochs),
            batch_size=cli_options.number_or_auto("--batch-size", batch_size),
            early_stopping=early_stopping,
            fit_prior=fit_prior,
            seed=seed,
            verbose=0 if quiet else "auto",
            begun=None if quiet else _say_what_is_trained,
        )
    except KeyboardInterrupt as stop:
        _say(str(stop) or "Stopped")
        raise typer.Exit(130) from None
    metrics = run.metrics
    if run.prior_fit and not quiet:
        scores = ", ".join(
            f"{count}: {score:.2f}" for count, score in run.prior_fit["scores"].items()
        )
        print(
            f"Prior: {metrics['prior']}, where {run.example}s of a condition lie; log-density of "
            f"held-out encodings by number of normals {scores}\n"
            f"ELBO under the prior of training {metrics['elbo_of_training']:.2f}, under the fitted "
            f"one {metrics['elbo']:.2f}"
        )
    numbers = ", ".join(f"{name} {metrics[name]:.2f}" for name in ("elbo", *run.model.elbo_terms))
    pictures = f"{run.folder}/{[*run.pictures][-1]} and others"
    print(f"Test: {numbers} nats per {run.example}\nPictures: {pictures}")


@app.command()
def generate(
    folder: RunFolder,
    out: Out,
    label: Annotated[list[str] | None, Option(help="Class, by name or number.")] = None,
    count: Count = 16,
    temperature: Annotated[float, Option(help="Below 1: more typical, less varied.")] = 1.0,
    pixels: Annotated[
        str | None, Option(help="mean of the pixels, or a sample of them.  [default: mean]")
    ] = None,
    where: cli_tables.Where = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Draw new images, or rows of a table, from a trained model.

    `--label` may be repeated, and images take the labels in turn; by default they take every class.
    A picture has a full row of each, so it may hold a few images more than `--count`. `--label -1`
    draws without a label. Of a table `--where` says what its conditions are to be; those that it
    leaves open are drawn from training rows that are as asked.
    """
    cli_options.check_out_file(out, force, OUT_SUFFIXES)
    run = runs.Run.load(folder)
    cli_options.check_out_file(out, force, run.suffixes)
    if is_table(out):
        cli_tables.leave_out({"--label": label, "--pixels": pixels}, "images")
        drawn = run.generate(where or "", count, temperature=temperature, seed=seed)
        write_table(drawn, out)
        print(f"Wrote {count} rows to {out}")
        return
    cli_tables.leave_out({"--where": where}, "a table")
    model, names = run.model, run.class_names
    labels = cli_options.labels("--label", label, names) if label else range(model.num_classes or 0)
    labels = np.array(list(dict.fromkeys(labels)), "int32")
    each = ""
    if len(labels) > 1 and out.suffix != ".npz":
        columns = math.ceil(count / len(labels))  # every row is full
        count, each = columns * len(labels), f", {columns} of each label,"
    given = np.resize(labels, count) if len(labels) else None
    drawn = {"temperature": temperature, "pixels": pixels or "mean", "seed": seed}
    images = _clipped(model.generate(given, count=count, **drawn))
    if out.suffix == ".npz":
        unknown = np.full(count, conditions.UNKNOWN, "int32")
        np.savez_compressed(out, images=images, labels=unknown if given is None else given)
    elif len(labels) > 1:
        style = dict(class_names=names, columns=count)
        plots.class_rows(pictures.drawable(run, images), given, **style).savefig(out)
    else:
        plots.sheet(pictures.drawable(run, images)).savefig(out)
    print(f"Wrote {count} images{each} to {out}")


@app.command()
def reconstruct(
    folder: RunFolder,
    out: Out,
    as_label: Annotated[str | None, Option(help="Class to turn the images into.")] = None,
    data: OtherData = None,
    count: Count = 16,
    force: Force = False,
) -> None:
    """Encode test images and decode them, in the same style, as another class if asked.

    Of a table the rows are written as they are decoded: what was missing in them is filled in.
    """
    cli_options.check_out_file(out, force, OUT_SUFFIXES)
    run = runs.Run.load(folder)
    cli_options.check_out_file(out, force, run.suffixes)
    if is_table(out):
        cli_tables.leave_out({"--as-label": as_label}, "images")
        _, decoded = run.reconstruct(data, count)
        write_table(decoded, out)
        print(f"Wrote the reconstructions of {len(decoded)} test rows to {out}")
        return
    model = run.model
    images, labels, class_names = run.test_images(data, count)
    targets = labels = np.full(len(images), conditions.UNKNOWN) if labels is None else labels
    if as_label is not None:
        targets = np.full_like(
            labels, cli_options.labels("--as-label", [as_label], run.class_names)
        )
    label_arguments = (labels, targets) if model.num_classes or as_label is not None else ()
    decoded = _clipped(model.reconstruct(images, *label_arguments))
    if out.suffix == ".npz":
        arrays = dict(images=images, labels=labels, reconstructed=decoded, as_labels=targets)
        np.savez_compressed(out, **arrays)
    else:
        style = dict(labels=labels if class_names else None, max_images=count)
        style["class_names"] = class_names or None
        if as_label is not None:
            style["title"] = f"Reconstructions as {as_label}".replace("$", r"\$")
        plots.reconstructions(
            pictures.drawable(run, images), pictures.drawable(run, decoded), **style
        ).savefig(out)
    print(f"Wrote {len(images)} test images and their reconstructions to {out}")


@app.command()
def evaluate(
    folder: RunFolder,
    data: OtherData = None,
    samples: Annotated[int, Option(help="Of z, for log p of an image.")] = 5000,
    limit: Annotated[int | None, Option(help="Most test images to take.  [default: all]")] = None,
    seed: Seed = 0,
) -> None:
    """Measure a trained model on test images; print a table, and keep it in the run's metrics.

    Likelihoods, the use of the latents, and what is generated beside real images. Classifiers are
    trained on the way, which takes minutes on MNIST, and so may log p with many samples.
    """
    run = runs.Run.load(folder)
    options = {"samples": samples, "limit": limit, "seed": seed}
    options["begun"] = functools.partial(print, flush=True)
    report = runs.evaluate(run, data, verbose=int(sys.stdout.isatty()), **options)
    kept = f"Kept in {run.folder / METRICS}"
    print(f"\n{report}\n{'Not kept: the run is unfinished' if run.unfinished else kept}")


@app.command()
def plot(
    folder: RunFolder,
    kind: Annotated[str, Option(help=f"What to draw: {', '.join(PICTURES)}.")],
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
    draw = look_up("--kind", kind, PICTURES)
    options = dict(label=label, axes=axes, count=count, data=data, seed=seed)
    options["spherical"] = spherical or None
    options = {name: value for name, value in options.items() if value is not None}
    known = [name for name in inspect.signature(draw).parameters if name != "run"]
    takes = ", ".join(f"`--{name}`" for name in known) or "no options"
    for name in options:
        require(name in known, f"A picture of kind '{kind}' takes {takes}", f"--{name}")
    cli_options.check_out_file(out, force, suffixes=(".png",))
    if axes is not None:
        options["axes"] = cli_options.integers("--axes", axes, ",")
    run = runs.Run.load(folder)
    draw = look_up("--kind", kind, run.kinds)
    if label is not None:
        (options["label"],) = cli_options.labels("--label", [label], run.class_names)
    draw(run, **options).savefig(out)
    print(f"Wrote {kind} to {out}")


def _clipped(images):
    """Returns pixels in [0, 1], where a normal likelihood may leave that; vectors as they are."""
    return np.clip(images, 0.0, 1.0) if images.ndim > 2 else images


def _say_what_is_trained(run):
    data, model = run.config["data"], run.config["model"]
    kind = "conditional" if model["condition"] else "unconditional"
    network = type(model["network"]).__name__.lower()
    print(
        f"Data: {data['name']}, {run.summary()}; a tenth of the training {run.example}s validates\n"
        f"Model: {network}, {kind}, latent_dim {model['latent_dim']}, "
        f"{run.model.count_params():,} parameters, on {run.config['backend']}\n"
        f"Run: {run.folder}"
    )
    for name, (value, reason) in run.choices.items():
        if name == "objective":
            name, value = "beta", str(value.beta)
        print(f"Chosen: --{name.replace('_', '-')} {_shown(value)}: {reason}")
    print("The learning rate falls along a cosine to 0")


def _shown(value):
    """A setting in a few words."""
    if isinstance(value, (str, int)):
        return value
    settings = {**vars(value)} if not hasattr(value, "get_config") else {}
    given = ", ".join(f"{name} {setting}" for name, setting in settings.items())
    return f"{type(value).__name__.lower()}" + (f" ({given})" if given else "")


def _in_options(message, command):
    """Returns a message with the names of the command's options for those of Python's arguments."""
    given = {param.name: max(param.opts, key=len) for param in command.params}
    options = {name: option for name, option in given.items() if option.startswith("--")}
    options |= {name: option for name, option in OPTIONS.items() if option in options.values()}
    return re.sub(r"`(\w+)`", lambda found: f"`{options.get(found[1], found[1])}`", message)


def _say(message):
    print("keras-cvae:", *str(message).split(), file=sys.stderr)
