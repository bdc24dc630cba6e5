"""Models saved by each release (`saved/make.py`) load, give the same outputs, and train."""

from pathlib import Path

import keras
import numpy as np
import pytest

import keras_cvae

FILES = sorted(Path(__file__).parent.glob("saved/*/*.keras"))


def arrays_under(arrays, prefix):
    return {k.removeprefix(prefix): arrays[k] for k in arrays if k.startswith(prefix)}


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_a_model_of_a_release(path):
    cvae = keras.saving.load_model(path)
    assert type(cvae) is keras_cvae.CVAE
    kept = dict(np.load(path.with_suffix(".npz")))
    x, y = kept["x"], kept["y"] if "y" in kept else arrays_under(kept, "y/")
    z_mean, z_log_var = cvae.encode(x, y)
    results = {"z_mean": z_mean, "z_log_var": z_log_var}
    results |= {"decoded": cvae.decode(z_mean, y), "generated": cvae.generate(y, seed=1)}
    for name, result in results.items():
        np.testing.assert_allclose(result, kept[name], rtol=1e-3, atol=1e-4, err_msg=name)
    measured = cvae.evaluate(x, y, draws=200, verbose=0, return_dict=True)
    for name, expected in arrays_under(kept, "measured/").items():  # other draws on each backend
        assert measured[name] == pytest.approx(float(expected), rel=0.02, abs=0.4), name
    if path.stem == "dense":
        cvae.run_eagerly = keras.backend.backend() != "jax"  # quick
        assert np.isfinite(cvae.fit(x, y, batch_size=8, verbose=0).history["loss"]).all()


def test_there_are_models_and_they_are_small():
    assert {path.stem for path in FILES} >= {"dense", "conv", "fitted", "table"}
    sizes = [path.stat().st_size for path in Path(__file__).parent.glob("saved/*/*")]
    assert sum(sizes) < 300_000
