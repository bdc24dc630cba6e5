"""Keeps saved models of this release, and what they say, for later releases to open.

    KERAS_BACKEND=tensorflow python tests/saved/make.py

It writes the folder of the version beside this file, once: a later release opens the folders of all
before it (`tests/test_saved.py`).
"""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pandas as pd

import keras_cvae
from keras_cvae import conditions, networks, objectives, priors, tables

COUNT, SHAPE = 24, (6, 6, 1)
SETTINGS = {  # of `build_cvae`, by the name of the file
    "dense": {
        "condition": 3,
        "network": networks.Dense((8,), "tanh"),
        "prior": "conditional",
        "objective": objectives.Warmup(epochs=20),
    },
    "conv": {
        "condition": conditions.Attributes(kind=["a", "b", "c"], slant=conditions.Vector(1)),
        "network": networks.Conv((3, 4), inject="film"),
        "likelihood": "optimal_gaussian",
        "prior": priors.Flow(2, (4,), conditional=True),
    },
    "fitted": {"condition": conditions.Inferred(3), "network": networks.Dense((8,), "tanh")},
}


def images():
    """Returns images, stripes and their contrast, labels and slants; some labels are unknown."""
    rng = np.random.default_rng(0)
    y = np.arange(COUNT) % 3
    slant = rng.normal(size=(COUNT, 1)).astype("float32")
    is_lit = (np.arange(6)[:, None] + np.arange(6) * (y[:, None, None] - 1)) % 4 < 2
    contrast = rng.choice([-1, 1], (COUNT, 1, 1)) * rng.uniform(0.5, 1, (COUNT, 1, 1))
    x = (0.5 + 0.48 * contrast * np.where(is_lit, 1, -1)).astype("float32")[..., None]
    return x, np.where(np.arange(COUNT) < 20, y, -1).astype("int32"), slant


def rows():
    """Returns a table with a column of each kind and missing cells."""
    rng = np.random.default_rng(0)
    size = np.where(rng.random(COUNT) < 0.2, np.nan, rng.normal(5, 2, COUNT).round(2))
    return pd.DataFrame(
        {
            "sex": rng.choice(["F", "M"], COUNT),
            "size": size,
            "visits": rng.poisson(4, COUNT) * 3,
            "day": pd.date_range("2026-01-01", periods=COUNT).astype(str),
            "colour": rng.choice(["red", "blue", None], COUNT),
        }
    )


def models():
    """Yields models that are yet to be trained: name, model, x and y."""
    x, y, slant = images()
    for name, settings in SETTINGS.items():
        cvae = keras_cvae.build_cvae(SHAPE, latent_dim=2, **settings)
        known = {"kind": y, "slant": slant} if name == "conv" else y
        yield name, cvae, x, known
    frame = rows()
    table = tables.Table.of(frame, conditions=["sex"])
    x, y = table.arrays(frame)
    options = {"likelihood": table.likelihood(), "network": networks.Dense((8,), "tanh")}
    yield "table", keras_cvae.build_cvae(x.shape[1:], table.condition(), 2, **options), x, y


def compress(path):
    """Writes a zip file again, a tenth as large: most of it is padding."""
    with zipfile.ZipFile(path) as file:
        parts = {name: file.read(name) for name in file.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in parts.items():
            file.writestr(name, content)


def main() -> None:
    """Trains the models and writes them."""
    folder = Path(__file__).parent / keras_cvae.__version__
    folder.mkdir()
    for name, cvae, x, y in models():
        keras.utils.set_random_seed(0)
        cvae.compile(keras.optimizers.Adam(1e-2))
        cvae.fit(x, y, epochs=100, batch_size=8, verbose=0)
        if name == "fitted":
            cvae.fit_prior(x, y)
        cvae.save(folder / f"{name}.keras")
        compress(folder / f"{name}.keras")
        z_mean, z_log_var = cvae.encode(x, y)
        kept = {"x": x, "z_mean": z_mean, "z_log_var": z_log_var}
        kept |= {f"y/{key}": value for key, value in y.items()} if isinstance(y, dict) else {"y": y}
        kept["decoded"] = cvae.decode(z_mean, y)
        kept["generated"] = cvae.generate(y, seed=1)
        measured = cvae.evaluate(x, y, draws=200, verbose=0, return_dict=True)
        kept |= {f"measured/{key}": value for key, value in measured.items()}
        np.savez_compressed(folder / f"{name}.npz", **kept)


if __name__ == "__main__":
    main()
