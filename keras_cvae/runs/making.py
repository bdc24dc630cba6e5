"""Creates a run: its folder, its settings and its model, which `training` trains."""

from __future__ import annotations

import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import keras

from keras_cvae import checks, datasets, models, processes, whole_files
from keras_cvae.checks import require
from keras_cvae.runs import board as boards
from keras_cvae.runs import choosing, lock, metrics, pictures, report, training
from keras_cvae.runs.choosing import AUTO
from keras_cvae.runs.reading import CHECKPOINT, CONFIG, HISTORY, MODEL, PRIOR_FIT, Run, is_run

_FILES = MODEL, CONFIG, HISTORY, metrics.NAME, CHECKPOINT, PRIOR_FIT, report.NAME

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
    on_begin: Callable[[Run], None] | None = None,
    **options,
) -> AnyRun:
    """Creates a run, and trains its model.

    Args:
        kind: The class of run.
        folder: The folder.
        reading: The data, from `datasets.read`.
        condition: The condition, or None.
        source: The settings with which `Run.load` reads the data again, including `name`.
        force: Whether to replace an existing run.
        learning_rate: Initial learning rate of Adam; it decreases to 0 along a cosine.
        epochs: The largest number of epochs; `"auto"` chooses it by the number of examples.
        batch_size: The number of examples in a training step, or `"auto"`.
        early_stopping: Whether to stop when the loss of the validation examples, or their ELBO with
            an adversarial objective, has not improved for a fifth of the epochs, and to keep the
            best weights. Data without a validation part use a tenth of the training examples.
        fit_prior: Whether to fit the prior to the encodings after training.
        measure: Whether to measure the ELBO of the test images after training.
        board: Whether to write the folder `board` for TensorBoard while training.
        seed: Seed of all randomness.
        callbacks: More callbacks for `fit`.
        verbose: What training and measuring print: 0 nothing, 1 a progress bar, 2 a line per epoch,
            but at most every ten seconds; `"auto"` is 1 on a terminal, otherwise 2.
        on_begin: Function of the run that is called before training begins.
        **options: More arguments of `build_cvae`. By default `likelihood`, `objective`, `network`
            and `latent_dim` are `"auto"`: they are chosen from the data.

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

    schedule = {"learning_rate": learning_rate, "epochs": epochs, "batch_size": batch_size}
    schedule |= {"early_stopping": early_stopping, "fit_prior": fit_prior, "measure": measure}
    schedule |= {"board": board, "seed": seed}
    config = {
        "data": {"digest": datasets.digest(dataset), **source},
        "image_shape": image_shape,
        "class_names": dataset.class_names,
        "model": {"condition": condition, **settings},
        "training": schedule,
        "chosen": {name: choice.reason for name, choice in choices.items()},
        "backend": keras.backend.backend(),
        "versions": versions(),
    }
    text = _as_json(config)
    verbose = training.verbosity(verbose)
    with lock.hold(folder):
        _check_folder(folder, force)  # another training may have come first
        _clear(folder, kind)
        whole_files.write_text(folder / CONFIG, text)
        run = kind(folder, config, model, dataset)
        run.choices, run.notes, run.validation = choices, reading.notes, reading.validation
        run.keep(y_train)
        if on_begin:
            on_begin(run)
        training.train_and_measure(run, (x_train, y_train), held_out, callbacks, verbose)
    return run


def parts_of(reading: datasets.Reading, seed: int) -> tuple[tuple, tuple]:
    """Returns the examples and labels for training, and those for validation."""
    if reading.validation is not None:
        return reading.dataset[:2], reading.validation
    x_train, y_train, *held_out = datasets.hold_out(reading.dataset, seed=seed)
    return (x_train, y_train), tuple(held_out)


def folder_for(data, out, force: bool) -> Path:
    """Returns the folder for a new run.

    With several processes, all but the first use a temporary folder.

    Args:
        data: Name or path of the data.
        out: The folder that the user has chosen, or None.
        force: Whether an existing run may be replaced.

    Raises:
        ValueError: If the folder contains other files, or another training uses it.
    """
    folder = Path("runs", Path(data).stem) if out is None else Path(out)
    if processes.number():
        return processes.own_folder(folder)
    lock.check_free(folder)
    _check_folder(folder, force)
    return folder


def absolute(data) -> str:
    """Returns the absolute path of data."""
    return str(Path(os.path.expanduser(data)).resolve())


def _check_folder(folder, force):
    """Checks that a folder is new or empty, or contains a run and `force` is set."""
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
    return json.dumps(content, indent=2, default=_describe) + "\n"


def _describe(part):
    """Returns the class and the settings of a part of a model as a dict."""
    settings = part.get_config() if hasattr(part, "get_config") else vars(part)
    settings = {k: v for k, v in settings.items() if k not in ("trainable", "dtype", "name")}
    return {"class": type(part).__name__, **settings}


def versions() -> dict[str, str]:
    """Returns the versions of Python and of the packages that affect a run, by name."""
    names = "keras_cvae", "keras", "numpy", keras.backend.backend()
    versions = {name: sys.modules[name].__version__ for name in names}
    return {"python": platform.python_version(), **versions}
