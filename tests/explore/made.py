"""Untrained runs whose weights differ from their initial values."""

import numpy as np
import pandas as pd

import keras_cvae
from keras_cvae import networks, runs
from keras_cvae.data import splitting
from keras_cvae.datasets import Dataset
from keras_cvae.tables import Table


def images(condition=3, shape=(6, 5, 1), y=None, **options):
    """A run of images, or of vectors."""
    options = {"network": networks.Dense((8,))} | options
    cvae = moved(keras_cvae.build_cvae(shape, condition, 4, **options))
    rng = np.random.default_rng(0)
    x, y = rng.random((40, *shape), "float32"), np.arange(40) % 3 if y is None else y
    if len(shape) > 1:
        x[:, 0] = x[:, :, 0] = 0  # black edges
    names = ("cat", "dog", "owl") if cvae.classes else ()
    config = {"class_names": list(names), "data": {"name": "toys"}, "image_shape": shape}
    return runs.ImageRun(None, config, cvae, Dataset(x[:30], y[:30], x[30:], y[30:], names))


def table(folder):
    """A run of a table with a column of texts as the condition."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], 80),
            "height": rng.normal(170, 8, 80).round(1),
            "age": rng.integers(18, 80, 80),
            "town": rng.choice(["Graz", "Linz", "Wien"], 80),
        }
    )
    of_table = Table.of(frame, ["sex"])
    x, y = of_table.arrays(frame)
    condition, likelihood = of_table.condition(0.1), of_table.likelihood()
    network = networks.Dense((8,))
    cvae = keras_cvae.build_cvae((3,), condition, 2, likelihood=likelihood, network=network)
    cvae.adapt(x)
    config = {"class_names": [], "data": {"name": "people.csv"}}
    dataset = Dataset(
        x[:60], splitting.take(y, slice(60)), x[60:], splitting.take(y, slice(60, 80)), ()
    )
    run = runs.TableRun(folder, config, moved(cvae), dataset)
    run.keep(dataset.y_train)
    return run, frame


def moved(cvae):
    """The model with other weights."""
    rng = np.random.default_rng(0)
    for weight in cvae.trainable_weights:
        weight.assign_add(0.3 * rng.standard_normal(weight.shape))
    return cvae
