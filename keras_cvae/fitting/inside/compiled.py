"""Settings of a compiled model: directions of metrics, its config, replicas, profiling."""

from __future__ import annotations

import importlib
import types
from typing import Any

import keras

from keras_cvae.checks import require

try:
    from keras.src.trainers.compile_utils import MetricsList
except ImportError:  # in a later Keras
    MetricsList = keras.metrics.Metric


class Directions(MetricsList):
    """Lets callbacks that monitor a metric look up whether higher or lower is better.

    Keras looks it up in the list of metrics that `compile` makes. This is such a list of names and
    directions, which computes nothing.

    Args:
        directions: Dict from names of metrics to `"up"` or `"down"`.
    """

    def __init__(self, directions: dict[str, str]):
        keras.metrics.Metric.__init__(self, name="directions")
        self.metrics = [
            types.SimpleNamespace(name=name, _direction=direction)
            for name, direction in directions.items()
        ]

    def update_state(self, *args, **kwargs) -> None:
        """Does nothing."""

    def reset_state(self) -> None:
        """Does nothing."""

    def result(self) -> dict:
        return {}


def portable(config) -> Any:
    """Returns the config of a compiled model without modules of one backend.

    On torch Keras saves optimizers under such a module, which no other backend can load.
    """
    if isinstance(config, list):
        return [portable(part) for part in config]
    if not isinstance(config, dict):
        return config
    config = {name: portable(part) for name, part in config.items()}
    is_of_backend = str(config.get("module")).startswith("keras.src.backend.")
    if is_of_backend and hasattr(keras.optimizers, config["class_name"]):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


def replicas(model: keras.Model) -> int:
    """Returns the number of replicas of TensorFlow's distribution strategy, whose losses add up."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return model.distribute_strategy.num_replicas_in_sync


def is_distributed() -> bool:
    """Returns whether several processes of torch train one model.

    From 3.16 on Keras's `make_train_function` then wraps it in `DistributedDataParallel`.
    """
    distributed = importlib.import_module("torch.distributed")
    return distributed.is_available() and distributed.is_initialized()


def check_processes(model: keras.Model) -> None:
    """Refuses several processes where Keras trains each by itself, or ends in an error.

    Raises:
        ValueError: On TensorFlow for `MultiWorkerMirroredStrategy`; on torch for several processes,
            before Keras 3.16.
    """
    backend = keras.backend.backend()
    advice = "on JAX several processes train one model, by `keras.distribution`"
    if backend == "tensorflow":
        strategy = type(model.distribute_strategy).__name__
        expected = f"`fit` does not run in Keras under several workers; {advice}"
        is_of_one = strategy not in ("CollectiveAllReduceStrategy", "MultiWorkerMirroredStrategy")
        require(is_of_one, None, expected, "MultiWorkerMirroredStrategy")
    elif backend == "torch" and is_distributed():
        count = importlib.import_module("torch.distributed").get_world_size()
        shares = tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 16)
        expected = "Several processes of torch share gradients from Keras 3.16 on"
        received = f"{count} processes, Keras {keras.__version__}"
        require(count == 1 or shares, None, f"{expected}; {advice}", received)


def may_profile(callback: keras.callbacks.TensorBoard) -> bool:
    """Returns whether a `TensorBoard` callback profiles batches: its `profile_batch` is not 0."""
    return getattr(callback, "_should_trace", True)
