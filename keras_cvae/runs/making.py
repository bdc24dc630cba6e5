"""Makes a run of data: trains a model, measures it and draws its pictures."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import keras

from keras_cvae import callbacks as our_callbacks
from keras_cvae import checks, datasets, models
from keras_cvae.checks import require
from keras_cvae.runs import board as boards
from keras_cvae.runs import choosing, lock, pictures, report
from keras_cvae.runs.choosing import AUTO
from keras_cvae.runs.reading import (
    CHECKPOINT,
    CONFIG,
    HISTORY,
    METRICS,
    MODEL,
    Run,
    is_run,
    model_inputs,
)

_FILES = MODEL, CONFIG, HISTORY, METRICS, report.NAME

AnyRun = TypeVar("AnyRun", bound=Run)


def make(
    kind: type[AnyRun],
    folder: Path,
    reading: datasets.Reading,
    condition,
    source: dict,
    *,
    force: bool = False,
    learning_rate: float = 1e-3,
    epochs: int | str = AUTO,
    batch_size: int | str = AUTO,
    early_stopping: bool = True,
    fit_prior: bool = True,
    measure: bool = True,
    board: bool = False,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
    begun: Callable[[Run], None] | None = None,
    **options,
) -> AnyRun:
    """Makes a run of data that have been read.

    Args:
        kind: The class of run.
        folder: Its folder.
        reading: The data, as `datasets.read` returns them.
        condition: The condition, or None.
        source: The settings by which `Run.load` reads the data again, `name` among them.
        force: Whether to replace a run that exists.
        learning_rate: Initial learning rate of Adam; it falls to 0 along a cosine.
        epochs: Passes over the training images, at most; `"auto"` chooses by their number.
        batch_size: Images in a training step, or `"auto"`.
        early_stopping: Whether to stop when the ELBO of the validation images (those of the data,
            else a tenth of the training images) has not risen for a fifth of the epochs, and to
            keep the best weights.
        fit_prior: Whether to fit the prior to the encodings after training.
        measure: Whether to measure the ELBO of the test images after training.
        board: Whether to write the folder `board` for TensorBoard while training.
        seed: Seed of all randomness.
        callbacks: More callbacks for `fit`.
        verbose: What `fit` and the measuring show: 0 nothing, 1 a progress bar, 2 one line an
            epoch; `"auto"` is 1 on a terminal, else 2.
        begun: Function of the run, called right before training begins.
        **options: More arguments of `build_cvae`; `likelihood`, `objective`, `network` and
            `latent_dim` are `"auto"` by default: chosen from the data.

    Returns:
        The run.

    Raises:
        ValueError: As for `runs.train`.
        KeyboardInterrupt: As for `runs.train`.
    """
    dataset = reading.dataset
    (x_train, y_train), held_out = parts_of(reading, seed)
    image_shape = x_train.shape[1:]
    options = {name: AUTO for name in choosing.PARTS} | options
    parts = options["likelihood"], options["network"]
    chosen = choosing.choose(x_train, *parts, fit_prior)
    asked = {**options, "epochs": epochs, "batch_size": batch_size}
    choices = {name: choice for name, choice in chosen.items() if asked[name] == AUTO}
    settings = {**asked, **{name: choice.value for name, choice in choices.items()}}
    epochs, batch_size = settings.pop("epochs"), settings.pop("batch_size")
    keras.utils.set_random_seed(seed)
    model = models.build_cvae(image_shape, condition, **settings)
    steps = checks.integer("epochs", epochs, least=1) * -(-len(x_train) // batch_size)
    falling = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(optimizer=keras.optimizers.Adam(falling))

    training = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size}
    training |= {"early_stopping": early_stopping, "fit_prior": fit_prior, "measure": measure}
    training["seed"] = seed
    config = {
        "data": {"digest": datasets.digest(dataset), **source},
        "image_shape": image_shape,
        "class_names": dataset.class_names,
        "model": {"condition": condition, **settings},
        "training": training,
        "chosen": {name: choice.reason for name, choice in choices.items()},
        "backend": keras.backend.backend(),
        "versions": versions(),
    }
    text = _as_json(config)
    verbose = how_much(verbose)
    with lock.hold(folder):
        _check_folder(folder, force)  # another training may have come first
        _clear(folder, kind)
        (folder / CONFIG).write_text(text)
        run = kind(folder, config, model, dataset)
        run.choices, run.notes, run.validation = choices, reading.notes, reading.validation
        run.keep(y_train)
        if begun:
            begun(run)
        callbacks = [*callbacks, *boards.callbacks_of(run)] if board else callbacks
        complete(run, (x_train, y_train), held_out, callbacks, verbose)
    return run


def parts_of(reading: datasets.Reading, seed: int) -> tuple[tuple, tuple]:
    """Returns the examples and labels to train on, and those to validate on."""
    if reading.validation is not None:
        return reading.dataset[:2], reading.validation
    x_train, y_train, *held_out = datasets.hold_out(reading.dataset, seed=seed)
    return (x_train, y_train), tuple(held_out)


def complete(run: Run, train, held_out, callbacks, verbose: int, force: bool = False) -> None:
    """Trains the model of a run as its settings say, measures it and draws its pictures.

    Where the folder has a checkpoint, the training goes on from there.

    Args:
        run: The run, whose folder is locked.
        train: Examples and labels to train on.
        held_out: Examples and labels to validate on.
        callbacks: More callbacks for `fit`.
        verbose: As for `make`, an integer.
        force: Whether to go on with a training of other data, settings or versions.

    Raises:
        ValueError: As for `runs.train`.
        KeyboardInterrupt: As for `runs.train`.
    """
    model, folder, settings = run.model, run.folder, run.config["training"]
    train_part, test_part = model_inputs(model, *train), model_inputs(model, *held_out)
    _fit(run, train_part, test_part, list(callbacks), verbose, force)
    try:
        if settings["fit_prior"]:
            _say("Fitting the prior to the encodings", verbose)
            options = {"validation_data": (test_part, None), "seed": settings["seed"]}
            options["verbose"] = int(verbose == 1)
            run.prior_fit = model.fit_prior(train_part, prior="auto", **options)
            our_callbacks.save(model, folder / MODEL)
        _measure_and_draw(run, settings["measure"], verbose)
    except KeyboardInterrupt:
        kept = f"Stopped while measuring and drawing; {folder / MODEL} holds the trained model"
        raise KeyboardInterrupt(f"{kept}{_goes_on(run)}") from None
    (folder / CHECKPOINT).unlink(missing_ok=True)  # nothing is left to do


def how_much(verbose: int | str) -> int:
    """Returns what `verbose` stands for: `"auto"` is 1 on a terminal, else 2."""
    return verbose if isinstance(verbose, int) else 1 if sys.stdout.isatty() else 2


def folder_for(data, out, force: bool) -> Path:
    """Returns the folder for a new run.

    Raises:
        ValueError: If the folder holds something else, or another training runs in it.
    """
    folder = Path("runs", Path(data).stem) if out is None else Path(out)
    lock.check_free(folder)
    _check_folder(folder, force)
    return folder


def absolute(data) -> str:
    """Returns the absolute path of data."""
    return str(Path(os.path.expanduser(data)).resolve())


def _measure_and_draw(run, measure, verbose):
    metrics = {} if run.best_epoch is None else {"epoch": run.best_epoch}
    if measure:
        _say(f"Measuring the ELBO of {len(run.dataset.x_test)} test {run.example}s", verbose)
        metrics |= run.measure(verbose=verbose)
    (run.folder / METRICS).write_text(_as_json(metrics))
    _say("Drawing pictures", verbose)
    pictures.write(run)
    try:
        pictures.write_diagrams(run)
    except ImportError:
        install = "apt-get install graphviz, or brew install graphviz"
        message = f"No diagrams of the networks: they need Graphviz ({install})"
        warnings.warn(message, stacklevel=3)
    report.write(run)


def _fit(run, train_part, held_out, callbacks, verbose, force):
    settings = run.config["training"]
    saver = our_callbacks.SaveEachEpoch(run.folder / MODEL)
    checkpoint = our_callbacks.Checkpoint(run.folder / CHECKPOINT, force)
    log = keras.callbacks.CSVLogger(run.folder / HISTORY)
    callbacks = [checkpoint, log, saver, *callbacks]
    stopper = None
    if settings["early_stopping"]:
        patience = max(3, settings["epochs"] // 5)
        stopper = keras.callbacks.EarlyStopping(
            "val_elbo", mode="max", patience=patience, restore_best_weights=True
        )
        callbacks.append(stopper)
    try:
        with saver:
            run.model.fit(
                train_part,
                validation_data=(held_out, None),
                callbacks=callbacks,
                epochs=settings["epochs"],
                batch_size=settings["batch_size"],
                verbose=verbose,
            )
    except KeyboardInterrupt:
        kept = f"Stopped after epoch {saver.epochs}; {saver.path} holds the weights so far"
        if not saver.epochs:
            kept = "Stopped before the first epoch ended; no trained weights are kept"
        raise KeyboardInterrupt(f"{kept}{_goes_on(run)}") from None
    our_callbacks.save(run.model, run.folder / MODEL)  # the best weights
    if stopper is not None:
        run.best_epoch = stopper.best_epoch + 1
        message = (
            f"Kept: the weights after epoch {run.best_epoch} of {saver.epochs}, where the ELBO of "
            f"the validation {run.example}s was highest, {stopper.best:.2f}"
        )
        if saver.epochs < settings["epochs"]:
            message += f". Training stopped: it did not rise for {patience} epochs"
        _say(message, verbose)


def _goes_on(run):
    is_kept = (run.folder / CHECKPOINT).exists()
    return f". `keras-cvae train --resume {run.folder}` goes on from there" if is_kept else ""


def _say(message, verbose):
    if verbose:
        print(message, flush=True)


def _check_folder(folder, force):
    """Refuses a folder that holds something else, or a run unless `force` is set."""
    expected, advice = "must be a new or an empty folder", ("force=True", "replaces a run")
    files = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if files - {lock.LOCK} or (folder.exists() and not folder.is_dir()):
        require(is_run(folder), "out", f"{expected}, or a run", f"'{folder}', which is not a run")
        require(force, "out", expected, f"'{folder}', a run", advice)


def _clear(folder, kind):
    """Removes the files of an earlier run."""
    for file in _FILES + (*kind.files, *kind.pictures, *pictures.DIAGRAMS):
        (folder / file).unlink(missing_ok=True)
    shutil.rmtree(folder / boards.FOLDER, ignore_errors=True)


def _as_json(content):
    """Returns the content as JSON, indented for people to read."""
    return json.dumps(content, indent=2, default=_described) + "\n"


def _described(part):
    """Returns the class and the settings of a part of a model."""
    settings = part.get_config() if hasattr(part, "get_config") else vars(part)
    settings = {k: v for k, v in settings.items() if k not in ("trainable", "dtype", "name")}
    return {"class": type(part).__name__, **settings}


def versions() -> dict[str, str]:
    """Returns the versions of what a run is made with."""
    names = "keras_cvae", "keras", "numpy", keras.backend.backend()
    versions = {name: sys.modules[name].__version__ for name in names}
    return {"python": platform.python_version(), **versions}
