"""Arrays as the input of fused steps: blocks of S batches.

Blocks are read ahead of their use, so that arrays may be memory-mapped and larger than memory;
uint8 pixels stay so until the step. All blocks have one shape, for which TensorFlow compiles one
program: the last block of an epoch is padded with rows that no step takes.

The order of epoch e is a random permutation with the seed (s, e). Each `fit` samples one s from
NumPy's global generator, which `keras.utils.set_random_seed` seeds, the same on every backend.
"""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable

import keras
import numpy as np

from keras_cvae.checks import ArgumentError
from keras_cvae.data.arrays import as_floatx
from keras_cvae.fitting import inside, sharding
from keras_cvae.fitting.reading import ahead, tensors

BLOCK_BYTES = 2**24  # of examples as float32: an epoch of MNIST reports its progress 12 times
MEMORY_BYTES = 2**30  # up to which single batches are read without a thread


class Blocks:
    """Arrays in blocks of `steps` batches.

    Args:
        data: Nested structure of NumPy arrays with the same number of rows.
        batch_size: Number of rows of a batch.
        steps: Number of batches of a block; `"auto"` chooses it by the size of a row.
        shuffle: Whether each epoch has the rows in another random order.

    Attributes:
        steps: Number of batches of a block.
        batches: Number of batches of an epoch, of which the last may be partial.
        in_memory: Whether the arrays are small, so that reading them needs no thread.
    """

    def __init__(self, data, batch_size: int, steps="auto", shuffle: bool = False):
        arrays = keras.tree.flatten(data)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.count = len(arrays[0])
        self.batches = math.ceil(self.count / batch_size)
        if steps == "auto":
            steps = choose_steps([array[:batch_size] for array in arrays], self.batches)
        self.steps = min(steps, self.batches)
        self.in_memory = sum(array.nbytes for array in arrays) <= MEMORY_BYTES
        self._data = keras.tree.lists_to_tuples(data)
        self._sharding, self._item = sharding.current(), None
        self._seed = np.random.randint(2**31) if shuffle else None
        self._order: tuple[int | None, np.ndarray] = None, np.arange(self.count)
        self._first_epoch: int | None = None
        self._epoch: int | None = None

    def __len__(self):
        return math.ceil(self.batches / self.steps)

    @property
    def order_state(self) -> dict[str, int | None]:
        """What the order of every epoch depends on."""
        return {"seed": self._seed}

    def resume(self, order_state: dict[str, int | None]) -> None:
        """Takes the order of another training, before its first block is read."""
        self._seed = order_state["seed"]
        self._order = None, np.arange(self.count)

    def begin_epoch(self, epoch: int) -> None:
        """Sets the number of the epoch in `fit`, before its first block is read."""
        if self._first_epoch is None:
            self._first_epoch = epoch
        self._epoch = epoch

    def order(self, ahead: int | None = None) -> np.ndarray:
        """Returns the indices of all rows in the order of an epoch.

        Args:
            ahead: Number of epochs after the first one; None for the current epoch.
        """
        epoch = (self._epoch or 0) if ahead is None else (self._first_epoch or 0) + ahead
        known, order = self._order  # two threads may be here
        if self.shuffle and known != epoch:
            order = np.random.default_rng((self._seed, epoch)).permutation(self.count)
            self._order = epoch, order
        return order

    def rows(self, block: int) -> slice:
        """Returns the positions of a block's rows in the order of an epoch."""
        size = self.steps * self.batch_size
        return slice(block * size, (block + 1) * size)

    def read(self, rows: np.ndarray) -> tuple:
        """Returns the rows with these indices: a batch or, for blocks of several, `(count, block)`.

        Over several devices a block is a list of batches.
        """
        count = np.int32(len(rows))
        if self._sharding is not None:
            return count, self._sharding.batches(self._data, rows, self.batch_size)
        if self.steps > 1:
            rows = np.resize(rows, self.steps * self.batch_size)
        block = keras.tree.map_structure(lambda array: as_floatx(array[rows]), self._data)
        return (count, block) if self.steps > 1 else block

    def fit_arguments(self) -> dict:
        """Arguments for `keras.Model.fit`: `x`, `batch_size`, `shuffle`, `steps` of an epoch."""
        usual = {"batch_size": None, "shuffle": False}
        if keras.backend.backend() == "tensorflow":
            return {"x": _dataset(self), "steps": len(self), **usual}
        return {"x": inside.IteratorAdapter(len(self), self._pass), "steps": None, **usual}

    def _pass(self):
        """Yields all blocks, read by a thread, which single batches in memory do not pay for."""
        items = (self._tensors(block) for block in range(len(self)))
        items = items if self.steps == 1 and self.in_memory else ahead(items)
        return items if self._sharding is None else self._past_keras(items)

    def _past_keras(self, items):
        """Yields empty tuples, for Keras would divide a block; `function` takes the items."""
        for self._item in items:
            yield ()

    def _tensors(self, block):
        return tensors(self.read(self.order()[self.rows(block)]))

    def function(self, compiled) -> Callable | None:
        """Returns the train or test function for Keras's loop; None for Keras's own.

        Args:
            compiled: Function from a batch size to a program.
        """
        if self._sharding is not None:
            program = compiled(self.batch_size)
            return lambda state, iterator: program(state, (self._item for _ in iterator))
        return compiled(self.batch_size) if self.steps > 1 else None

    def close(self) -> None:
        """Does nothing: Keras closes its iterators."""

    def first_batch(self, block: int) -> int:
        """Returns the number of a block's first batch."""
        return block * self.steps

    def last_batch(self, block: int) -> int:
        """Returns the number of a block's last batch."""
        return min((block + 1) * self.steps, self.batches) - 1


def _dataset(blocks):
    """The blocks of all epochs, endless, as a `tf.data.Dataset` without autotuning.

    The thread that tunes can take one of two cores from a graph of convolutions.
    """
    import tensorflow as tf

    sample = blocks.read(np.zeros(1, int))
    samples = keras.tree.flatten(sample)

    one_shape = blocks.steps > 1
    blocks = weakref.proxy(blocks)  # TensorFlow keeps every `numpy_function`

    def read(number):
        ahead, block = divmod(int(number), len(blocks))
        return keras.tree.flatten(blocks.read(blocks.order(ahead)[blocks.rows(block)]))

    @tf.autograph.experimental.do_not_convert
    def tensors(number):
        flat = tf.numpy_function(read, [number], [a.dtype for a in samples], stateful=False)
        for tensor, array in zip(flat, samples, strict=True):
            tensor.set_shape(array.shape if one_shape else (None, *array.shape[1:]))
        return keras.tree.pack_sequence_as(sample, flat)

    options = tf.data.Options()
    options.autotune.enabled = False
    numbers = tf.data.Dataset.range(np.iinfo("int64").max)  # `counter()` leaves a graph behind
    return numbers.map(tensors).prefetch(2).with_options(options)


def choose_steps(batch, batches: int | None) -> int:
    """Returns the number of batches of a block from the size of a batch; divides an epoch evenly.

    Args:
        batch: The arrays of a whole batch.
        batches: Number of batches of an epoch, or None if unknown.
    """
    most = max(1, BLOCK_BYTES // sum(4 * array.size for array in batch))
    return math.ceil(batches / math.ceil(batches / most)) if batches else most


def divide(block, rows: int, batch_size: int) -> tuple:
    """Returns `(count, partial)`: the number of whole batches of a block, a partial one or None."""
    count, remainder = divmod(int(rows), batch_size)
    if not remainder:
        return np.int32(count), None
    partial = slice(count * batch_size, count * batch_size + remainder)
    return np.int32(count), keras.tree.map_structure(lambda array: array[partial], block)


def are_arrays(*data) -> bool:
    """Returns whether these are nested NumPy arrays or None, of the same number of rows, not 0."""
    arrays = keras.tree.flatten([part for part in data if part is not None])
    if not arrays or not all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
        return False
    return len(arrays[0]) > 0 and len({len(array) for array in arrays}) == 1


def split(x, y, fraction: float) -> dict:
    """Splits `validation_split` off the end of arrays, as Keras does.

    Returns:
        Arguments of `fit`: `x`, `y`, `validation_data`, `validation_split`.

    Raises:
        ValueError: If no row is left for training, or none for validation.
    """
    count = len(keras.tree.flatten(x)[0])
    train_count = math.floor(count * (1.0 - fraction))
    if not 0 < train_count < count:
        left = min(max(train_count, 0), count)
        raise ArgumentError(
            "validation_split",
            "must be between 0 and 1 and leave at least one example to train "
            f"on and one to validate on, of {count}",
            f"validation_split={fraction}, which leaves {left} to train on",
        )

    def rows(part, *bounds):
        if part is None:
            return None
        return keras.tree.map_structure(lambda array: array[slice(*bounds)], part)

    held_out = rows(x, train_count, count), rows(y, train_count, count)
    x, y = rows(x, train_count), rows(y, train_count)
    return {"x": x, "y": y, "validation_data": held_out, "validation_split": 0.0}


def check_batch_size(name: str, value) -> None:
    """Raises a `ValueError` unless a batch size is None or a positive integer."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ArgumentError(name, "must be an integer of at least 1", f"{name}={value!r}")
