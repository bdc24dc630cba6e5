"""The command that trains a model."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Annotated

import typer
from typer import Option

from keras_cvae.cli import names, parsing, tables
from keras_cvae.cli.app import Command, app, say
from keras_cvae.cli.arguments import Data, LabelSwitch, Quiet, Seed
from keras_cvae.cli.parsing import AUTO
from keras_cvae.cli.starting import without_log


@app.command(cls=Command)
def train(
    context: typer.Context,
    data: Data = "digits",
    out: Annotated[Path | None, Option(help="Folder to write.  [default: runs/DATA]")] = None,
    force: Annotated[
        bool,
        Option("--force", help="Overwrite a run; with --resume, continue although data changed."),
    ] = False,
    network: Annotated[str, Option(help=f"auto, {', '.join(names.NETWORKS)}.")] = AUTO,
    latent_dim: Annotated[str, Option(help="Size of the latent vector z, or auto.")] = AUTO,
    hidden_units: Annotated[str | None, Option(help="Layers of a dense network: 500,500.")] = None,
    filters: Annotated[str | None, Option(help="Of conv or residual networks: 32,64.")] = None,
    activation: Annotated[str | None, Option(help="Of hidden layers: relu, tanh, ...")] = None,
    inject: Annotated[
        str | None,
        Option(
            help=f"Where labels enter the network: {', '.join(names.INJECTIONS)}.  [default: input]"
        ),
    ] = None,
    likelihood: Annotated[str, Option(help=f"auto, {', '.join(names.LIKELIHOODS)}.")] = AUTO,
    prior: Annotated[str, Option(help=f"{', '.join(names.PRIORS)}.")] = "standard_normal",
    objective: Annotated[str, Option(help=f"{', '.join(names.OBJECTIVES)}.")] = "elbo",
    binarize: Annotated[str | None, Option(help="For grey pixels: threshold, dynamic.")] = None,
    corruption: Annotated[
        str | None, Option(help=f"Noise, to learn denoising: {', '.join(names.CORRUPTIONS)}.")
    ] = None,
    conditional: LabelSwitch = True,
    condition: tables.Condition = None,
    columns: tables.Columns = None,
    encoding: tables.Encoding = None,
    na_values: tables.NaValues = None,
    infer_label: Annotated[bool, Option("--infer-label", help="Predict labels.")] = False,
    enumerate_label: Annotated[
        bool, Option("--enumerate-label", help="Predict labels, and sum over labels of -1.")
    ] = False,
    label_dropout: Annotated[
        float | None, Option(help="Share of labels hidden in training.  [default: 0.1]")
    ] = None,
    beta: Annotated[
        str, Option(help="Weight of the KL divergence (or of the total correlation), or auto.")
    ] = AUTO,
    learning_rate: Annotated[float, Option(help="Of Adam; it decreases to 0.")] = 1e-3,
    epochs: Annotated[str, Option(help="Maximum passes over the data, or auto.")] = AUTO,
    batch_size: Annotated[str, Option(help="Images per training step, or auto.")] = AUTO,
    early_stopping: Annotated[
        bool, Option(help="Stop when the loss of validation images no longer improves.")
    ] = True,
    fit_prior: Annotated[bool, Option(help="Fit the prior to the encodings at the end.")] = True,
    measure: Annotated[bool, Option(help="Measure the ELBO of the test images.")] = True,
    board: Annotated[bool, Option("--board", help="Write curves for TensorBoard.")] = False,
    image_size: Annotated[str | None, Option(help="Resize images to HEIGHTxWIDTH.")] = None,
    background: Annotated[str, Option(help="Colour behind transparent pixels.")] = "white",
    skip_damaged: Annotated[
        bool, Option("--skip-damaged", help="Leave out images that cannot be read.")
    ] = False,
    class_names: Annotated[str | None, Option(help="Names of the classes: cat,dog.")] = None,
    test_share: Annotated[float, Option(help="Share of test data, if not split yet.")] = 0.2,
    seed: Seed = 0,
    resume: Annotated[
        Path | None,
        Option(metavar="RUN", help="Continue a run that was killed or interrupted."),
    ] = None,
    processes: Annotated[
        int | None,
        Option(
            envvar="KERAS_DISTRIBUTION_NUM_PROCESSES",
            help="Number of processes that train the model, on JAX; 1 uses all devices of one.",
        ),
    ] = None,
    coordinator: Annotated[
        str | None,
        Option(
            metavar="HOST:PORT",
            envvar="KERAS_DISTRIBUTION_JOB_ADDRESSES",
            help="Address of process 0, if there are several.",
        ),
    ] = None,
    process_id: Annotated[
        int | None,
        Option(envvar="KERAS_DISTRIBUTION_PROCESS_ID", help="Number of this process, from 0."),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Train a model; write it to a folder, with its metrics and pictures.

    Your own data can be an .npz file with x_train, y_train, x_test and y_test, or with x and y,
    which are split; a folder of IDX files; or a folder with one sub-folder of images per class.
    `--unconditional` needs no labels. For a table, a .csv, .tsv or .parquet file, `--condition`
    names the columns to condition on; the model learns the others.

    Options of a likelihood, prior, objective or corruption follow its name and a colon, as in
    `--prior flow:couplings=6,hidden_units=(128,)`.
    """
    import keras

    from keras_cvae import checks, corruptions, likelihoods, priors, runs
    from keras_cvae.tables import files, is_table

    if resume is not None:
        of_processes = "processes", "coordinator", "process_id"
        parsing.leave_out_others(context, "resume", "force", "quiet", *of_processes)
        with (
            _several_processes(processes, coordinator, process_id) as is_first,
            _report_interrupt(),
        ):
            quiet = quiet or not is_first
            on_begin = None if quiet else _describe
            run = runs.resume(
                resume, force=force, verbose=0 if quiet else "auto", on_begin=on_begin
            )
        if is_first:
            _report(run, quiet)
        return
    if is_table(data):
        of_images = {
            "--image-size": image_size,
            "--class-names": class_names,
            "--background": None if background == "white" else background,
            "--skip-damaged": skip_damaged or None,
            "--binarize": binarize,
            "--infer-label": infer_label or None,
            "--enumerate-label": enumerate_label or None,
            "--unconditional": None if conditional else True,
        }
        begin = tables.training(condition, columns, label_dropout, encoding, na_values, of_images)
    else:
        of_tables = {"--condition": condition, "--columns": columns}
        of_tables |= {"--encoding": encoding, "--na-values": na_values}
        tables.leave_out(of_tables, f"tables ({files.ENDINGS})")
        begin = functools.partial(
            runs.train,
            image_size=parsing.height_and_width(image_size),
            background=background,
            skip_damaged=skip_damaged,
            class_names=class_names and class_names.split(","),
            condition=parsing.condition(conditional, infer_label, enumerate_label, label_dropout),
            binarize=binarize,
        )
    of_network = {
        "hidden_units": parsing.integers("--hidden-units", hidden_units, ",", least=1),
        "filters": parsing.integers("--filters", filters, ",", least=1),
        "activation": activation,
        "inject": inject,
    }
    with without_log():
        keras.utils.set_random_seed(seed)  # which imports TensorFlow, whatever the backend
    with _several_processes(processes, coordinator, process_id) as is_first, _report_interrupt():
        quiet = quiet or not is_first
        run = begin(
            data,
            out,
            force=force,
            test_fraction=test_share,
            network=parsing.network(network, of_network),
            latent_dim=parsing.number_or_auto("--latent-dim", latent_dim),
            likelihood=parsing.member("--likelihood", likelihood, likelihoods.NAMES),
            prior=parsing.member("--prior", prior, priors.NAMES),
            corruption=parsing.member("--corruption", corruption, corruptions.NAMES),
            objective=parsing.objective(objective, beta),
            learning_rate=checks.number("--learning-rate", learning_rate, above=0),
            epochs=parsing.number_or_auto("--epochs", epochs),
            batch_size=parsing.number_or_auto("--batch-size", batch_size),
            early_stopping=early_stopping,
            fit_prior=fit_prior,
            measure=measure,
            board=board,
            seed=seed,
            verbose=0 if quiet else "auto",
            on_begin=None if quiet else _describe,
        )
    if not is_first:
        return
    _report(run, quiet)
    if board:
        print(f"Curves: tensorboard --logdir {run.folder / runs.board.FOLDER}")


@contextlib.contextmanager
def _several_processes(count, coordinator, number):
    """Joins the processes of a training; yields whether this is the first of them."""
    from keras_cvae import processes

    if count is None:
        yield True
        return
    processes.join(count, coordinator, number)
    with processes.exit_on_error():
        yield processes.number() == 0


@contextlib.contextmanager
def _report_interrupt():
    """Exits with the message of an interrupt."""
    try:
        yield
    except KeyboardInterrupt as stop:
        say(str(stop) or "Stopped")
        raise typer.Exit(130) from None


def _report(run, quiet):
    from keras_cvae import runs

    metrics = run.metrics
    if run.prior_fit and not quiet:
        fit = run.prior_fit
        scores = ", ".join(f"{name}: {score:.2f}" for name, score in fit["scores"].items())
        compared = "number of components" if "components" in fit else "prior"
        print(
            f"Prior: {fit['prior']}, fitted to the encodings; log-density of validation encodings "
            f"by {compared}, in nats: {scores}"
        )
        print(
            f"ELBO of training {run.example}s under the prior before {fit['elbo_before']:.2f}, "
            f"under the fitted one {fit['elbo_after']:.2f}"
        )
    if "elbo" in metrics:
        numbers = [f"elbo {metrics['elbo']:.2f} ± {metrics['standard_error']:.2f}"]
        numbers += [f"{name} {metrics[name]:.2f}" for name in run.model.elbo_terms]
        tested = f"the standard error over {metrics[f'{run.example}s']} {run.example}s"
        print(f"Test: {', '.join(numbers)} nats per {run.example}; ± is {tested}")
    if not quiet:
        for sentence in run.verdict:
            print(sentence)
    print(f"Report: {run.folder / runs.report.NAME}, which opens in a browser")


def _describe(run):
    data, model = run.config["data"], run.config["model"]
    kind = "conditional" if model["condition"] else "unconditional"
    network = type(model["network"]).__name__.lower()
    validation = f"a tenth of the training {run.example}s is for validation"
    if run.validation is not None:
        validation = f"{len(run.validation[0])} for validation"
    print(f"Data: {data['name']}, {run.summary()}; {validation}")
    for note in run.notes:
        print(f"Data: {note}")
    print(
        f"Model: {network}, {kind}, latent_dim {model['latent_dim']}, "
        f"{run.model.count_params():,} parameters, on {run.config['backend']}\n"
        f"Run: {run.folder}"
    )
    for name, (value, reason) in run.choices.items():
        if name == "objective":
            name, value = "beta", str(value.beta)
        print(f"Chosen: --{name.replace('_', '-')} {_in_words(value)}: {reason}")
    print("The learning rate decreases to 0 along a cosine")


def _in_words(value):
    """Returns a setting in a few words."""
    if isinstance(value, (str, int)):
        return value
    settings = {**vars(value)} if not hasattr(value, "get_config") else {}
    texts = ", ".join(f"{name} {setting}" for name, setting in settings.items())
    return f"{type(value).__name__.lower()}" + (f" ({texts})" if texts else "")
