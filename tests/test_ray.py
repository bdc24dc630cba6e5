"""`ray_map.py` and `ray_sweep.py`: where a worker is killed, nothing is lost or double."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import keras_cvae
from keras_cvae import networks

pytestmark = [
    pytest.mark.slow,
    pytest.mark.once,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]
ROOT = Path(__file__).parent.parent
KILLED = """
import os, pathlib, signal, sys
import ray, ray_map

class Killed(ray_map.Worker):
    def __call__(self, batch):
        if 70 in batch.get("id", ()) and not os.path.exists(FLAG):
            open(FLAG, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(batch)

FLAG = os.path.abspath("killed")
ray.init(num_cpus=2, include_dashboard=False)
model = pathlib.Path("model.keras")
rows = ray_map.read(pathlib.Path("rows"), (4, 4, 1))
results = ray_map.map_rows(rows, Killed, model, "encode", 25, 1)
results.write_parquet(os.path.abspath("encoded"))
photos = ray_map.read(pathlib.Path("photos"), (4, 4, 1))
photos = ray_map.map_rows(photos, ray_map.Worker, model, "score", 4, 1)
photos.write_parquet(os.path.abspath("scored"))
"""
SWEEP = """
import os, pathlib, signal
import keras, ray
import ray_sweep
from ray import tune

class Kill(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1 and not os.path.exists(FLAG):
            open(FLAG, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)

def trial(settings):
    ray_sweep.trial(settings, "digits", 2, [Kill()])

FLAG = os.path.abspath("killed")
ray.init(num_cpus=1, include_dashboard=False)
results = ray_sweep.sweep(trial, 1, 2, pathlib.Path("sweep"), units=tune.choice([4]))
print(results[0].metrics["epoch"], results[0].metrics["val_elbo"])
print(results.get_dataframe().shape)
"""


def run_program(program, folder):
    paths = os.pathsep.join([str(ROOT), str(ROOT / "scripts")])
    environment = {**os.environ, "PYTHONPATH": paths, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (folder / "killed").exists()
    return done.stdout


def test_rows_are_mapped_once_if_a_worker_is_killed(tmp_path):
    cvae = keras_cvae.build_cvae((4, 4, 1), 3, 2, network=networks.Dense((8,)))
    cvae.save(tmp_path / "model.keras")
    x = np.random.default_rng(0).random((100, 16)).astype("float32")
    rows = pd.DataFrame({"id": np.arange(100), "image": list(x), "label": np.arange(100) % 3})
    (tmp_path / "rows").mkdir()
    for shard in range(2):
        rows[50 * shard :][:50].to_parquet(tmp_path / "rows" / f"{shard}.parquet")
    for number in range(6):
        folder = tmp_path / "photos" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        shape = (6, 5, 3) if number % 2 else (4, 4)  # colours and sizes of all kinds
        image = Image.fromarray(np.full(shape, 40 * number, "uint8"))
        image.save(folder / f"{number}.png")
    run_program(KILLED, tmp_path)
    encoded = pd.read_parquet(tmp_path / "encoded").sort_values("id")
    assert encoded["id"].tolist() == list(range(100))
    z_mean, _ = cvae.encode(x.reshape(-1, 4, 4, 1), rows["label"].to_numpy())
    np.testing.assert_allclose(np.stack([*encoded["z_mean"]]), z_mean, atol=1e-5)
    scored = pd.read_parquet(tmp_path / "scored")
    assert len({*scored["path"]}) == len(scored) == 6
    assert [*scored["label"]] == [int(Path(path).parent.name == "b") for path in scored["path"]]
    assert np.isfinite(scored["elbo"]).all()


def test_a_killed_trial_continues_from_its_checkpoint(tmp_path):
    epoch, elbo = run_program(SWEEP, tmp_path).splitlines()[-2].split()
    assert epoch == "2" and -100 < float(elbo) < 0
    (log,) = (tmp_path / "sweep").glob("*/result.json")
    epochs = [json.loads(line)["epoch"] for line in log.read_text().splitlines()]
    assert epochs == [1, 2]
