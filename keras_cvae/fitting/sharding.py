"""Batches over the devices of a `keras.distribution`, on JAX.

The rows of a batch are divided among the copies of the model. Where they cannot be divided evenly,
as in the last batch of an epoch, every device takes all of them, so that results are those of one
device. All devices sample the noise of the whole batch and each keeps that of its rows: noise does
not depend on their number.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_cvae.checks import require
from keras_cvae.data import inputs
from keras_cvae.data.arrays import as_floatx


class Sharding:
    """A `keras.distribution.Distribution`, in whichever thread it is used.

    Args:
        distribution: The distribution, on the JAX backend.
    """

    def __init__(self, distribution):
        self._distribution = distribution

    @property
    def copies(self) -> int:
        """The number of copies of the model, each of which takes a part of a batch."""
        return self._distribution.num_model_replicas

    @property
    def processes(self) -> int:
        """The number of processes that share the devices."""
        return self._distribution.num_processes

    def batches(self, data, rows: np.ndarray, batch_size: int) -> list:
        """Returns the batches of rows of arrays that every process has.

        A process reads the rows of its own devices, and no others.

        Args:
            data: Nested structure of NumPy arrays.
            rows: Indices of rows.
            batch_size: The number of rows in a batch.
        """
        starts = range(0, len(rows), batch_size)
        return [self._of_rows(data, rows[start : start + batch_size]) for start in starts]

    def of_process(self, data, batch_size: int) -> list:
        """Returns batches of the rows of this process, which has read its part of each.

        Args:
            data: Nested structure of NumPy arrays.
            batch_size: The number of rows in a part.

        Raises:
            ValueError: If there are several processes and its devices cannot share a part evenly.
        """
        count = len(keras.tree.flatten(data)[0])
        if self.processes == 1:
            return self.batches(data, np.arange(count), batch_size)
        import jax

        parts = []
        for start in range(0, count, batch_size):
            rows = slice(start, min(start + batch_size, count))
            size = rows.stop - rows.start
            share = max(1, self.copies // self.processes)
            expected = f"of a process must be divisible by {share}, the number of its devices"
            require(size % share == 0, "The batches", expected, f"one of {size} examples")

            def place_array(array, rows=rows):
                return jax.make_array_from_process_local_data(
                    self._split_layout(array.shape), array[rows]
                )

            parts.append(keras.tree.map_structure(place_array, data))
        return parts

    def _of_rows(self, data, rows):
        import jax

        def place_array(array):
            shape = len(rows), *array.shape[1:]
            place = (
                self._split_layout(shape)
                if len(rows) % self.copies == 0
                else self._full_layout(shape)
            )
            return jax.make_array_from_callback(
                shape, place, lambda index: as_floatx(array[rows[index[0]]])
            )

        return keras.tree.map_structure(place_array, data)

    def _split_layout(self, shape):
        return self._distribution.get_data_layout(shape).backend_layout

    def _full_layout(self, shape):
        mesh = self._distribution.device_mesh
        return keras.distribution.TensorLayout([None] * len(shape), mesh).backend_layout


def current() -> Sharding | None:
    """Returns the distribution that is set, on JAX; None where there is none."""
    distribution = keras.distribution.distribution()
    if distribution is None or keras.backend.backend() != "jax":
        return None
    return Sharding(distribution)


def check_batch_size(batch_size: int) -> None:
    """Raises a `ValueError` unless a training batch can be divided among all devices."""
    distribution = current()
    if distribution is not None:
        copies = distribution.copies
        expected = f"must be divisible by {copies}, the number of devices that share a batch"
        require(batch_size % copies == 0, "batch_size", expected, batch_size)


def check_weights(model: keras.Model) -> None:
    """Raises a `ValueError` if a weight is split among processes, which cannot read all of it."""
    if current() is None:
        return
    split = [
        variable.path
        for variable in model.variables
        if not (variable.value.is_fully_addressable or variable.value.is_fully_replicated)
    ]
    expected = "`ModelParallel` must split weights among the devices of one process"
    require(not split, None, expected, f"several processes, and {split[:3]}")


def check_read_by_keras(x) -> None:
    """Refuses arrays that Keras would read, which it takes for the rows of this process alone."""
    distribution = current()
    if distribution is not None and distribution.processes > 1:
        expected = "must be a stream in each of several processes, where Keras takes the steps"
        require(inputs.is_stream(x), "x", expected, "arrays")


def layouts(state) -> Any:
    """Returns where the arrays of a training state lie, for `jax.jit` to leave them there."""
    import jax

    return jax.tree.map(lambda array: array.sharding, state)
