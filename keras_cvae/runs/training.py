"""Trains the model of a run, fits its prior, measures it and draws its pictures."""

from __future__ import annotations

import json
import sys
import warnings

import keras

from keras_cvae import callbacks as our_callbacks
from keras_cvae import whole_files
from keras_cvae.callbacks.saving import clear_unfinished
from keras_cvae.checks import explain
from keras_cvae.runs import board as boards
from keras_cvae.runs import metrics, pictures, report
from keras_cvae.runs.reading import (
    CHECKPOINT,
    HISTORY,
    MODEL,
    PRIOR_FIT,
    Run,
    model_inputs,
    model_of,
)


def train_and_measure(
    run: Run, train, held_out, callbacks, verbose: int, force: bool = False
) -> None:
    """Trains the model of a run with its settings, measures it and draws its pictures.

    If the folder contains a checkpoint, training continues from it; if the prior is fitted too, the
    saved model is used as it is.

    Args:
        run: The run, whose folder is locked.
        train: Examples and labels for training.
        held_out: Examples and labels for validation.
        callbacks: More callbacks for `fit`.
        verbose: As for `make`, but an integer.
        force: Whether to continue a training with other data, settings or versions.

    Raises:
        ValueError: As for `runs.train`.
        KeyboardInterrupt: As for `runs.train`.
    """
    model, folder, settings = run.model, run.folder, run.config["training"]
    train_part, test_part = model_inputs(model, *train), model_inputs(model, *held_out)
    clear_unfinished(folder)
    _fit(run, train_part, test_part, list(callbacks), verbose, force)
    try:
        if settings["fit_prior"]:
            _fit_prior(run, train_part, test_part, verbose)
        _measure_and_draw(run, settings["measure"], verbose)
    except KeyboardInterrupt:
        kept = (
            f"Stopped while measuring and drawing; the trained model is saved in {folder / MODEL}"
        )
        raise KeyboardInterrupt(f"{kept}{_how_to_resume(run)}") from None
    for name in (PRIOR_FIT, CHECKPOINT):  # nothing is left to do
        (folder / name).unlink(missing_ok=True)


def verbosity(verbose: int | str) -> int:
    """Returns `verbose` as an integer: `"auto"` is 1 on a terminal, otherwise 2."""
    return verbose if isinstance(verbose, int) else 1 if sys.stdout.isatty() else 2


def _measure_and_draw(run, measure, verbose):
    values = {} if run.best_epoch is None else {"epoch": run.best_epoch}
    if measure:
        _say(f"Measuring the ELBO of {len(run.dataset.x_test)} test {run.example}s", verbose)
        values |= run.measure()
    metrics.write(run.folder, values)
    _say("Drawing pictures", verbose)
    pictures.write(run)
    try:
        pictures.write_diagrams(run)
    except ImportError:
        install = "apt-get install graphviz, or brew install graphviz"
        message = f"No diagrams of the networks: they need Graphviz ({install})"
        warnings.warn(message, stacklevel=4)
    report.write(run)


def _fit(run, train_part, held_out, callbacks, verbose, force):
    settings = run.config["training"]
    saver = our_callbacks.SaveEachEpoch(run.folder / MODEL)
    checkpoint = our_callbacks.Checkpoint(run.folder / CHECKPOINT, force)
    log = keras.callbacks.CSVLogger(run.folder / HISTORY)
    line = [our_callbacks.EpochLine(run.example, is_live=verbose == 1)] if verbose else []
    board = boards.callbacks_of(run) if settings.get("board") else []
    callbacks = [checkpoint, log, saver, *line, *callbacks, *board]
    stopper = None
    if settings["early_stopping"]:
        patience = max(3, settings["epochs"] // 5)
        monitor = getattr(run.model.objective, "monitor", "val_loss")
        mode = "min" if monitor == "val_loss" else "max"
        stopper = keras.callbacks.EarlyStopping(
            monitor, mode=mode, patience=patience, restore_best_weights=True
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
                verbose=0,
            )
    except KeyboardInterrupt:
        kept = f"Stopped after epoch {saver.epochs}; the weights are saved in {saver.path}"
        if not saver.epochs:
            kept = "Stopped before the first epoch ended; no trained weights are kept"
        raise KeyboardInterrupt(f"{kept}{_how_to_resume(run)}") from None
    if not (run.folder / PRIOR_FIT).exists():
        our_callbacks.save(run.model, run.folder / MODEL)  # the best weights
    if stopper is not None:
        run.best_epoch = stopper.best_epoch + 1
        name, extreme = ("loss", "lowest") if mode == "min" else ("ELBO", "highest")
        message = (
            f"Kept: the weights after epoch {run.best_epoch} of {saver.epochs}, where the {name} "
            f"of the validation {run.example}s was {extreme}, {stopper.best:.2f} nats"
        )
        if saver.epochs < settings["epochs"]:
            message += f". Training stopped: it did not improve for {patience} epochs"
        _say(message, verbose)


def _fit_prior(run, train_part, held_out, verbose):
    path = run.folder / PRIOR_FIT
    if path.exists():  # of a run that was stopped after that
        with explain(
            None, f"'{path}' must contain what `fit_prior` returns", (ValueError, TypeError)
        ):
            run.prior_fit = dict(json.loads(path.read_text("utf-8")))
        run.model = model_of(run.folder)
        return
    _say("Fitting the prior to the encodings", verbose)
    options = {"validation_data": (held_out, None), "seed": run.config["training"]["seed"]}
    options["verbose"] = int(verbose == 1)
    run.prior_fit = run.model.fit_prior(train_part, prior="auto", **options)
    our_callbacks.save(run.model, run.folder / MODEL)
    whole_files.write_text(path, json.dumps(run.prior_fit))


def _how_to_resume(run):
    is_kept = (run.folder / CHECKPOINT).exists()
    return f". `keras-cvae train --resume {run.folder}` continues from there" if is_kept else ""


def _say(message, verbose):
    if verbose:
        print(message, flush=True)
