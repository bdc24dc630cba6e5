"""Resumes a run that was killed or interrupted."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_cvae import checks, datasets, processes
from keras_cvae.checks import explain, require
from keras_cvae.cvae import CVAE
from keras_cvae.fitting import state_files
from keras_cvae.runs import lock, making, training
from keras_cvae.runs.reading import (
    CHECKPOINT,
    CONFIG,
    MODEL,
    PRIOR_FIT,
    Run,
    config_of,
    is_finished,
    kind_of,
)

SETTINGS = "epochs", "batch_size", "seed", "measure", "early_stopping", "fit_prior"  # of training


def resume(
    folder: str | os.PathLike,
    *,
    force: bool = False,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: int | str = "auto",
    on_begin: Callable[[Run], None] | None = None,
) -> Run:
    """Resumes a run that was killed or interrupted, with its settings.

    Training continues after the last complete epoch, with the same result as without the
    interruption. The steps after training (fitting the prior, measuring, drawing) are repeated from
    their beginning.

    Args:
        folder: The folder of the run.
        force: Whether to continue if the data, the settings or the versions of Python, Keras and
            other packages have changed.
        callbacks: More callbacks for `fit`.
        verbose: As for `runs.train`.
        on_begin: As for `runs.train`.

    Returns:
        The run; of a finished one, as `Run.load` returns it.

    Raises:
        ValueError: If the folder is not a run, has no checkpoint, or another training runs in it;
            or if data, settings or versions differ, with a list of the differences.
        KeyboardInterrupt: As for `runs.train`.
    """
    folder, verbose = Path(folder), training.verbosity(verbose)
    if processes.number() == 0:
        lock.check_free(folder)
    expected = f"A run must be a folder with the {CONFIG} that `train` writes"
    require((folder / CONFIG).is_file(), None, expected, f"'{folder}', which is not a run")
    config = config_of(folder)
    if is_finished(folder):
        if verbose:
            print(f"The run '{folder}' is finished")
        return Run.load(folder)
    expected = f"'{folder}' must have the {CHECKPOINT} that training writes"
    advice = "it was stopped before training began: train it again"
    require((folder / CHECKPOINT).exists(), None, f"{expected}; else {advice}", "none")
    state = state_files.read(folder / CHECKPOINT)
    expected = f"'{folder / CHECKPOINT}' must contain the checkpoint of a run"
    keras.utils.set_random_seed(config["training"]["seed"])  # one of all processes
    with explain(None, expected):
        model = keras.models.model_from_json(state["settings"]["model"])
        settings = {name: config["training"][name] for name in SETTINGS}
    for name in ("epochs", "batch_size"):
        with explain(None, f"'{folder / CONFIG}' must contain the settings that `train` writes"):
            checks.integer(name, settings[name], least=1)
    require(isinstance(model, CVAE), None, expected, f"a {type(model).__name__}")
    own = processes.own_folder(folder)
    if own != folder:
        for name in (CHECKPOINT, PRIOR_FIT, MODEL):
            if (folder / name).exists():
                shutil.copy(folder / name, own)
    run = kind_of(config["data"]["name"])(own, config, model)
    reading = run.read()
    run.dataset, run.validation = reading.dataset, reading.validation
    differences = [*_differences(config, reading.dataset)]
    expected = "The data and the versions must be those that the run was made with"
    advice = ("force=True", "resumes anyway")
    require(force or not differences, None, expected, "; ".join(differences), advice)
    with lock.hold(own):
        train, held_out = making.parts_of(reading, settings["seed"])
        if on_begin:
            on_begin(run)
        if verbose:
            epochs = f"epoch {state['epoch']} of {settings['epochs']}"
            print(f"'{folder / CHECKPOINT}' has {epochs}: training continues", flush=True)
        training.train_and_measure(run, train, held_out, callbacks, verbose, force)
    return run


def _differences(config, dataset):
    """Yields a sentence for each difference from the data and versions of a run."""
    if datasets.digest(dataset) != config["data"]["digest"]:
        yield f"the data '{config['data']['name']}' have changed"
    before = {**config["versions"], "backend": config["backend"]}
    now = {**making.versions(), "backend": keras.backend.backend()}
    for name in {**before, **now}:
        if before.get(name) != now.get(name):
            yield f"{name} was {before.get(name)}, is {now.get(name)}"
