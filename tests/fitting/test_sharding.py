"""Several devices and several processes of JAX train, measure and generate like one device."""

import json
import os
import signal
import socket
import subprocess
import sys

import keras
import numpy as np
import pytest

from keras_cvae import processes
from keras_cvae.fitting import inside
from tests.command import TINY, epochs_of, run_cli

of_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="of JAX")
DATA = """
import json, sys, tempfile
import keras, numpy as np
import keras_cvae
from keras_cvae import networks, processes

x, y = np.random.default_rng(0).random((59, 4, 4, 1), "float32"), np.arange(59) % 3
"""
# 59 and 21 examples: of each epoch the last batch cannot be divided among devices.
USE = """
def use():
    keras.utils.set_random_seed(0)
    cvae = keras_cvae.build_cvae(x.shape[1:], 3, latent_dim=2, network=networks.Dense((8,)))
    cvae.compile("adam")
    options = {"epochs": 2, "batch_size": 16, "verbose": 0}
    history = cvae.fit([x, y], validation_data=([x[:21], y[:21]], None), **options).history
    numbers = [*history["loss"], *history["val_kl"]]
    numbers += [cvae.generate([0, 1, 2], seed=0).sum()]
    return cvae, [float(number) for number in numbers]

def measure(cvae):
    numbers = cvae.evaluate([x, y], draws=1, verbose=0)
    cvae.fit_prior([x, y])
    return [*map(float, [*numbers, cvae.encode(x[:1], y[:1])[0].sum()])]
"""
DEVICES = """
keras.distribution.set_distribution(keras.distribution.DataParallel())
cvae, numbers = use()
measured = measure(cvae)
halves = [(x[:16], y[:16]), (x[16:32], y[16:32])]
streamed = cvae.fit((each for each in halves * 2), steps_per_epoch=2, epochs=2, verbose=0)
keras.distribution.set_distribution(None)
mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"))
layout = keras.distribution.LayoutMap(mesh)
layout["decoder/hidden.*/kernel"] = (None, "model")
keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
cvae, of_parts = use()
kernel = next(v for v in cvae.weights if v.path == "decoder/hidden_1/kernel")
shapes = [[*part.data.shape] for part in kernel.value.addressable_shards]
loss = [float(each) for each in streamed.history["loss"]]
results = {"numbers": numbers, "measured": measured, "streamed": loss, "model": of_parts}
print(json.dumps({**results, "shapes": shapes}))
"""
PROCESSES = """
count, number, address = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
keras.utils.set_random_seed(0)
if count == 2:
    keras.distribution.initialize(address, count, number)
    parallel = keras.distribution.DataParallel(auto_shard_dataset=False)
    keras.distribution.set_distribution(parallel)
else:
    processes.join(count, address, number)
cvae, numbers = use()
measured = measure(cvae) if count == 2 else []
share = slice(number * (16 // count), (number + 1) * (16 // count))
own = [(x[share], y[share]), (x[16:][share], y[16:][share])] * 2
streamed = cvae.fit((each for each in own), steps_per_epoch=2, epochs=2, verbose=0)
try:
    cvae.fit([x, y], batch_size=15)
except ValueError as error:
    refusal = str(error)
with tempfile.TemporaryDirectory() as folder:
    if number == 0:  # the others do not wait
        cvae.save_weights(f"{folder}/weights.weights.h5")
        cvae.save(f"{folder}/model.keras")
split = None
if count == 2:
    mesh = keras.distribution.DeviceMesh((1, 2), ("batch", "model"))
    layout = keras.distribution.LayoutMap(mesh)
    layout["decoder/hidden.*/kernel"] = (None, "model")
    keras.distribution.set_distribution(keras.distribution.ModelParallel(layout_map=layout))
    try:
        use()
    except ValueError as error:
        split = str(error)
loss = [float(each) for each in streamed.history["loss"]]
results = {"numbers": numbers, "measured": measured, "streamed": loss, "refusal": refusal}
print(json.dumps({**results, "split": split}))
"""

COMMAND = """
from keras_cvae import cli, runs
runs.pictures.write = runs.pictures.write_diagrams = runs.report.write = lambda run: None
cli.main()
"""


@pytest.fixture(scope="module")
def alone():
    """What one process with one device computes."""
    names = {}
    exec(DATA + USE, names)
    x, y, (cvae, numbers) = names["x"], names["y"], names["use"]()
    results = {"numbers": numbers, "measured": names["measure"](cvae)}
    halves = [(x[:16], y[:16]), (x[16:32], y[16:32])]
    history = cvae.fit((each for each in halves * 2), steps_per_epoch=2, epochs=2, verbose=0)
    return {**results, "streamed": history.history["loss"]}


def address():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


def begin(*arguments, **environment):
    """A process of Python, on JAX."""
    environment = {**os.environ, "KERAS_BACKEND": "jax", **environment}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **pipes)


def output_of(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error[-3000:]
    return json.loads(out.splitlines()[-1])


@of_jax
@pytest.mark.slow
def test_two_devices_give_the_results_of_one(alone):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
    running = begin("-c", DATA + USE + DEVICES, XLA_FLAGS=flags)
    results = output_of(running)
    np.testing.assert_allclose(results["model"], alone["numbers"], rtol=1e-5)
    for name, numbers in alone.items():
        np.testing.assert_allclose(results[name], numbers, rtol=1e-5)
    assert results["shapes"] == [[5, 4], [5, 4]]  # of 5 x 8


@of_jax
@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 4])
def test_processes_give_the_results_of_one(alone, count):
    where = address()
    program = DATA + USE + PROCESSES
    running = [begin("-c", program, str(count), str(k), where) for k in range(count)]
    for results in map(output_of, running):
        np.testing.assert_allclose(results["numbers"], alone["numbers"], rtol=1e-5)
        if count == 2:  # the others have not fitted the prior
            np.testing.assert_allclose(results["measured"], alone["measured"], rtol=1e-5)
            np.testing.assert_allclose(results["streamed"], alone["streamed"], rtol=1e-5)
            assert "must split weights among the devices of one process" in results["split"]
        expected = f"`batch_size` must be divisible by {count}, the number of devices"
        assert expected in results["refusal"]


@of_jax
@pytest.mark.slow
def test_a_failed_process_stops_the_other_and_the_run_can_be_resumed(toys, tmp_path):
    quick = ["--epochs", 20, "--no-fit-prior", "--no-early-stopping", *TINY, "--batch-size", 8]

    def train(*options):
        train = ["-c", COMMAND, "train", "--processes", "2"]
        train += ["--coordinator", address(), *map(str, options), "--process-id"]
        return [begin(*train, str(number)) for number in range(2)]

    first, second = train("--data", toys, "--out", tmp_path / "run", *quick)
    for line in first.stdout:
        if line.startswith("Epoch"):  # the first is over; later ones get a line every ten seconds
            break
    second.kill()
    out, error = first.communicate(timeout=60)
    assert first.returncode in (2, -signal.SIGABRT), error
    assert "Epoch 20/20" not in out
    assert (tmp_path / "run" / "training.checkpoint").exists()
    for process in train("--resume", tmp_path / "run"):
        _, error = process.communicate(timeout=200)
        assert process.returncode == 0, error
    assert run_cli("train", "--data", toys, "--out", tmp_path / "whole", *quick, "--quiet") == 0
    resumed, whole = (epochs_of(tmp_path / name) for name in ("run", "whole"))
    assert len(resumed) == 20
    for one, other in zip(resumed, whole, strict=True):
        np.testing.assert_allclose([*map(float, one.values())], [*map(float, other.values())], 1e-4)


def test_options_of_processes_are_checked(monkeypatch):
    if keras.backend.backend() != "jax":
        with pytest.raises(ValueError, match="`processes` needs the JAX backend"):
            processes.join(2, "127.0.0.1:1234", 0)
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match="`processes` must be an integer of at least 1"):
        processes.join(0)
    with pytest.raises(ValueError, match="`coordinator` must be the host and port of process 0"):
        processes.join(2, "127.0.0.1", 0)
    with pytest.raises(ValueError, match="`process_id` must be an integer from 0 to 1"):
        processes.join(2, "127.0.0.1:1234", 2)
    assert processes.number() == 0 and not processes.are_several()


STRATEGIES = """
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(cpu, two)
workers = tf.distribute.MultiWorkerMirroredStrategy()
"""
MIRRORED = """
with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
    cvae, numbers = use()
with workers.scope():
    other = keras_cvae.build_cvae(x.shape[1:], 3, latent_dim=2, network=networks.Dense((8,)))
    other.compile("adam")
try:
    other.fit([x, y])
except ValueError as error:
    refusal = str(error)
print(json.dumps({"numbers": numbers, "measured": measure(cvae), "refusal": refusal}))
"""


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_a_mirrored_strategy_trains_and_several_workers_raise_an_error(alone):
    program = STRATEGIES + DATA + USE + MIRRORED
    results = output_of(begin("-c", program, KERAS_BACKEND="tensorflow"))
    for name in ("numbers", "measured"):  # but for the noise
        np.testing.assert_allclose(results[name], alone[name], rtol=0.1)
    assert "does not run in Keras under several workers; on JAX several" in results["refusal"]


def test_several_processes_of_torch_need_a_later_keras(tmp_path, monkeypatch):
    if keras.backend.backend() != "torch":
        pytest.skip("of torch")
    import torch

    store = f"file://{tmp_path / 'store'}"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        model = keras.Sequential([keras.layers.Dense(1)])
        inside.check_processes(model)
        monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
        monkeypatch.setattr(keras, "__version__", "3.15.1")
        with pytest.raises(ValueError, match="share gradients from Keras 3.16 on; on JAX several"):
            inside.check_processes(model)
        monkeypatch.setattr(keras, "__version__", "3.16.0")
        inside.check_processes(model)
    finally:
        torch.distributed.destroy_process_group()
