"""Making a run: data in; a trained model, its numbers and its pictures in a folder."""

from __future__ import annotations

import json
import os
import platform
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_cvae import callbacks as our_callbacks
from keras_cvae import models, plots
from keras_cvae.checks import require
from keras_cvae.conditions import Classes, Condition
from keras_cvae.data import datasets
from keras_cvae.runs import pictures
from keras_cvae.runs.reading import CONFIG, HISTORY, METRICS, MODEL, Run, is_run, model_inputs


def train(
    data: str | os.PathLike = "digits",
    out: str | os.PathLike | None = None,
    *,
    force: bool = False,
    image_size: int | tuple[int, int] | None = None,
    condition: Callable[[int], Condition] | None = Classes,
    learning_rate: float = 1e-3,
    epochs: int = 100,
    batch_size: int = 64,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    begun: Callable[[Run], None] | None = None,
    **options,
) -> Run:
    """Trains a model; leaves it, its numbers and its pictures in a folder.

    Args:
        data: Name or path of the data, as `datasets.load` takes it.
        out: The folder; by default `runs/` and the name of the data.
        force: Whether a run that is there already is replaced.
        image_size: What to resize every image to, as `datasets.load` takes it.
        condition: Function of the number of classes to the condition, such as
            `conditions.Classes` or `functools.partial(conditions.Inferred, weight=10.0)`; None for
            a plain VAE.
        learning_rate: Of the optimizer, Adam.
        epochs: Passes over the training images.
        batch_size: Images in a training step.
        seed: Seed of all randomness.
        callbacks: More callbacks for `fit`.
        begun: Function of the run, called right before training begins.
        **options: More arguments of `build_cvae`.

    Returns:
        The run.

    Raises:
        ValueError: If the folder is taken or an argument makes no sense, before the folder is
            touched; or if the loss does not stay finite.
        KeyboardInterrupt: If training is interrupted, with a message of what is kept.

    Example:
    ```python
    from keras_cvae import runs

    run = runs.train("mnist", "runs/mnist", network="conv", latent_dim=16, epochs=20)
    print(run.metrics["elbo"])
    runs.pictures.manifold(run, label=3).savefig("threes.png")
    ```
    """
    path = Path(os.path.expanduser(data)).resolve()  # as it is, where there is no such user
    folder = Path("runs", path.stem) if out is None else Path(out)
    _check_folder(folder, force)
    dataset = datasets.load(data, image_size=image_size)
    names, image_shape = dataset.class_names, dataset.x_train.shape[1:]
    plots.sheet(pictures.drawable(dataset.x_test[:1]))  # refuses what cannot be drawn
    keras.utils.set_random_seed(seed)
    condition = condition and condition(len(names))
    model = models.build_cvae(image_shape, condition, **options)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate))

    fit_options = dict(epochs=epochs, batch_size=batch_size)
    name = data if data in datasets.NAMES else str(path)  # absolute: others may use it from afar
    config = {
        "data": {"name": name, "digest": datasets.digest(dataset), "image_size": image_size},
        "image_shape": image_shape,
        "class_names": names,
        "model": {"condition": condition, **options},
        "training": {"learning_rate": learning_rate, "seed": seed, **fit_options},
        "backend": keras.backend.backend(),
        "versions": _versions(),
    }
    settings = _as_json(config)
    _clear(folder)
    (folder / CONFIG).write_text(settings)
    run = Run(folder, config, model, dataset)
    if begun:
        begun(run)
    _fit(run, list(callbacks), fit_options)
    (folder / METRICS).write_text(_as_json(run.measure()))
    pictures.write(run)
    try:
        pictures.write_diagrams(run)
    except ImportError:
        install = "apt-get install graphviz, or brew install graphviz"
        message = f"No diagrams of the networks: they need Graphviz ({install})"
        warnings.warn(message, stacklevel=2)
    return run


def _fit(run, callbacks, fit_options):
    dataset, model = run.dataset, run.model
    saver = our_callbacks.SaveEachEpoch(run.folder / MODEL)
    logger = keras.callbacks.CSVLogger(run.folder / HISTORY)
    x_train = model_inputs(model, dataset.x_train, dataset.y_train)
    held_out = model_inputs(model, dataset.x_test, dataset.y_test), None
    try:
        with saver:
            history = model.fit(
                x_train,
                validation_data=held_out,
                callbacks=[logger, saver, *callbacks],
                **fit_options,
            )
    except KeyboardInterrupt:
        kept = f"Stopped after epoch {saver.epochs}; {saver.path} holds the weights so far"
        raise KeyboardInterrupt(kept) from None
    require(
        saver.epochs == len(history.epoch),
        f"The loss must stay finite; it did up to epoch {saver.epochs}, kept in {saver.path}. "
        "Try a smaller `learning_rate`",
        run.config["training"]["learning_rate"],
    )


def _check_folder(folder, force):
    """Refuses to put a run where something else is, or another run unless forced."""
    expected = "`out` must be a new or an empty folder, or a run to replace with `force`"
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        require(is_run(folder), expected, f"'{folder}', which is no run")
        require(force, expected, f"'{folder}', a run, without `force`")


def _clear(folder):
    """Makes a run's folder, with nothing left of a run that was there before."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in (MODEL, CONFIG, HISTORY, METRICS, *pictures.PICTURES, *pictures.DIAGRAMS):
        (folder / file).unlink(missing_ok=True)


def _as_json(content):
    """Returns what a person may want to read."""
    return json.dumps(content, indent=2, default=_described) + "\n"


def _described(part):
    """A part of a model: its class and its settings."""
    settings = part.get_config() if hasattr(part, "get_config") else vars(part)
    settings = {k: v for k, v in settings.items() if k not in ("trainable", "dtype", "name")}
    return {"class": type(part).__name__, **settings}


def _versions():
    names = "keras_cvae", "keras", "numpy", keras.backend.backend()
    versions = {name: sys.modules[name].__version__ for name in names}
    return {"python": platform.python_version(), **versions}
