"""Sweeps over settings with Ray Tune: trials with a low `val_elbo` are stopped early.

    pip install "ray[tune]"
    python scripts/ray_sweep.py --data mnist --trials 20 --out sweeps/mnist

Each trial has a checkpoint: if its process is killed, it is started again and continues from there.
The table of trials is written to `trials.csv`.
"""

from pathlib import Path
from typing import Annotated

import keras
import typer
from ray import tune

import keras_cvae
from keras_cvae import callbacks, networks, objectives

SPACE = {
    "latent_dim": tune.choice([2, 8, 32]),
    "units": tune.choice([128, 512]),
    "beta": tune.uniform(0.5, 2.0),
    "learning_rate": tune.loguniform(3e-4, 3e-3),
}


class Report(keras.callbacks.Callback):
    """Reports `val_elbo` after each epoch; Ray Tune may stop the trial there."""

    def on_epoch_end(self, epoch, logs=None):
        tune.report({"val_elbo": logs["val_elbo"], "epoch": epoch + 1})


def trial(settings: dict, data: str, epochs: int, extra_callbacks=()) -> None:
    """Trains one model, or continues training it."""
    keras.utils.set_random_seed(0)
    dataset = keras_cvae.datasets.load(data)
    x_train, y_train, x_test, y_test = keras_cvae.datasets.hold_out(dataset)
    cvae = keras_cvae.build_cvae(
        x_train.shape[1:],
        len(dataset.class_names),
        settings["latent_dim"],
        network=networks.Dense((settings["units"],)),
        objective=objectives.ELBO(beta=settings["beta"]),
    )
    cvae.compile(keras.optimizers.Adam(settings["learning_rate"]))
    checkpoint = callbacks.Checkpoint(Path(tune.get_context().get_trial_dir(), "checkpoint"))
    cvae.fit(
        [x_train, y_train],
        validation_data=([x_test, y_test], None),
        epochs=epochs,
        batch_size=128,
        verbose=0,
        callbacks=[checkpoint, Report(), *extra_callbacks],
    )


def sweep(trainable, trials: int, epochs: int, out: Path, **space) -> tune.ResultGrid:
    """Runs trials, the best of which train for all epochs."""
    scheduler = tune.schedulers.ASHAScheduler(time_attr="epoch", max_t=epochs)
    goal = {"metric": "val_elbo", "mode": "max"}
    config = tune.TuneConfig(num_samples=trials, scheduler=scheduler, **goal)
    retries = tune.FailureConfig(max_failures=3)
    run = tune.RunConfig(
        name=out.name, storage_path=str(out.resolve().parent), failure_config=retries
    )
    results = tune.Tuner(trainable, param_space=SPACE | space, tune_config=config, run_config=run)
    return results.fit()


def main(
    data: Annotated[str, typer.Option(help="As for keras-cvae train.")] = "digits",
    trials: int = 10,
    epochs: int = 20,
    out: Path = Path("sweeps/digits"),
) -> None:
    """Sweep, and print the best trial."""
    results = sweep(tune.with_parameters(trial, data=data, epochs=epochs), trials, epochs, out)
    results.get_dataframe().to_csv(out / "trials.csv", index=False)
    best = results.get_best_result()
    print(f"Best: val_elbo {best.metrics['val_elbo']:.2f} nats with {best.config}")


if __name__ == "__main__":
    typer.run(main)
