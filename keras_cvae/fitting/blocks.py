"""How arrays are fed to a program of many steps: blocks of S batches, and who counts them.

Blocks are read ahead of their use, so that arrays may be memory-mapped and larger than memory;
pixels stay bytes until they are inside the program. All blocks have one shape, for which one
program is compiled: the last one of an epoch is filled up with rows that are not counted.
"""

from __future__ import annotations

import math
import weakref

import keras
import numpy as np

BLOCK_BYTES = 2**24  # of examples as float32: an epoch of MNIST reports its progress 12 times
MEMORY_BYTES = 2**30  # what may be copied to the device by Keras


class Blocks:
    """Arrays in blocks of `steps` batches.

    Args:
        data: Nested structure of NumPy arrays, all of as many rows.
        batch_size: How many rows a step takes.
        steps: How many steps make a block; `"auto"` chooses by the size of a row.
        shuffle: Whether to draw the rows in another order each epoch.

    Attributes:
        steps: How many steps make a block.
        batches: How many batches make an epoch, the last one perhaps partial.
        needed: Whether Keras would feed the arrays less well. TensorFlow's own way to make batches
            of arrays costs more, and its self-tuning thread can leave a graph of convolutions one
            core of two.
    """

    def __init__(self, data, batch_size: int, steps="auto", shuffle: bool = False):
        arrays = keras.tree.flatten(data)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.count = len(arrays[0])
        self.batches = math.ceil(self.count / batch_size)
        if steps == "auto":
            row_bytes = sum(4 * math.prod(array.shape[1:]) for array in arrays)
            most = max(1, BLOCK_BYTES // (row_bytes * batch_size))
            steps = math.ceil(self.batches / math.ceil(self.batches / most))  # blocks alike in size
        self.steps = min(steps, self.batches)
        in_memory = sum(array.nbytes for array in arrays) <= MEMORY_BYTES
        on_tensorflow = keras.backend.backend() == "tensorflow"
        self.needed = self.steps > 1 or not in_memory or on_tensorflow
        self._data = keras.tree.lists_to_tuples(data)
        self._order = None, np.arange(self.count)

    def __len__(self):
        return math.ceil(self.batches / self.steps)

    def order(self, *seed: int) -> np.ndarray:
        """The indices of the rows in the order of an epoch, drawn from a seed if shuffled."""
        drawn, order = self._order  # two threads may be here
        if self.shuffle and drawn != seed:
            order = np.random.default_rng(seed).permutation(self.count)
            self._order = seed, order
        return order

    def rows(self, block: int) -> slice:
        """Which rows, of those of an epoch in their order, make a block."""
        size = self.steps * self.batch_size
        return slice(block * size, (block + 1) * size)

    def read(self, rows: np.ndarray) -> tuple:
        """The rows of these indices: a batch or, where several make a block, `(count, block)`."""
        count = np.int32(len(rows))
        if self.steps > 1:
            rows = np.resize(rows, self.steps * self.batch_size)
        block = keras.tree.map_structure(lambda array: _as_floatx(array[rows]), self._data)
        return (count, block) if self.steps > 1 else block

    def feed(self) -> dict:
        """What to give Keras: arguments `x`, `batch_size`, `shuffle`, and `steps` of an epoch."""
        usual = {"batch_size": None, "shuffle": False}
        if keras.backend.backend() == "tensorflow":
            return {"x": _dataset(self), "steps": len(self), **usual}
        return {"x": _Reader(self), "steps": None, **usual}

    def first_batch(self, block: int) -> int:
        """The number of a block's first batch."""
        return block * self.steps

    def last_batch(self, block: int) -> int:
        """The number of a block's last batch."""
        return min((block + 1) * self.steps, self.batches) - 1


class _Reader(keras.utils.PyDataset):
    """Reads blocks ahead of their use, two at a time."""

    def __init__(self, blocks):
        super().__init__(workers=2, max_queue_size=2)
        self.blocks = blocks
        self.order = np.arange(blocks.count)

    def __len__(self):
        return len(self.blocks)

    def __getitem__(self, block):
        return self.blocks.read(self.order[self.blocks.rows(block)])

    def on_epoch_end(self):  # Keras calls it before the first epoch too
        if self.blocks.shuffle:
            self.order = np.random.permutation(self.blocks.count)


def _dataset(blocks):
    """Blocks without end, epoch after epoch, as a `tf.data.Dataset` that does not tune itself."""
    import tensorflow as tf

    seed = np.random.randint(2**31)
    sample = blocks.read(np.zeros(1, int))
    samples = keras.tree.flatten(sample)

    one_shape = blocks.steps > 1
    blocks = weakref.proxy(blocks)  # TensorFlow keeps a `numpy_function` for good

    def read(number):
        epoch, block = divmod(int(number), len(blocks))
        return keras.tree.flatten(blocks.read(blocks.order(seed, epoch)[blocks.rows(block)]))

    @tf.autograph.experimental.do_not_convert
    def tensors(number):
        found = tf.numpy_function(read, [number], [a.dtype for a in samples], stateful=False)
        for tensor, array in zip(found, samples, strict=True):
            tensor.set_shape(array.shape if one_shape else (None, *array.shape[1:]))
        return keras.tree.pack_sequence_as(sample, found)

    options = tf.data.Options()
    options.autotune.enabled = False
    return tf.data.Dataset.counter().map(tensors).prefetch(2).with_options(options)


class BlockCallbacks(keras.callbacks.CallbackList):
    """Callbacks that are told of batches while Keras counts blocks.

    Args:
        model: The model they are called for.
        options: Of `fit` or `evaluate`: `callbacks`, `verbose` and perhaps `epochs`.
        train: The `Blocks` of training, or None.
        test: The `Blocks` of validation, or None.
    """

    def __init__(self, model, options, train, test):
        super().__init__(
            options["callbacks"],
            add_history=train is not None,
            add_progbar=options["verbose"] != 0,
            model=model,
            verbose=options["verbose"],
            epochs=options.get("epochs", 1),
            steps=(train or test).batches,
        )
        self._train, self._test = train, test

    def on_train_batch_begin(self, batch, logs=None):
        super().on_train_batch_begin(self._train.first_batch(batch), logs)

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(self._train.last_batch(batch), logs)

    def on_test_batch_begin(self, batch, logs=None):
        super().on_test_batch_begin(self._test.first_batch(batch) if self._test else batch, logs)

    def on_test_batch_end(self, batch, logs=None):
        super().on_test_batch_end(self._test.last_batch(batch) if self._test else batch, logs)


def sees_batches(callback) -> bool:
    """Whether a callback may want each batch: it is not one of Keras's that act between epochs."""
    if {getattr(callback, name, "epoch") for name in ("save_freq", "update_freq")} != {"epoch"}:
        return True
    names = "on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end"
    modules = [getattr(getattr(callback, name), "__module__", "") for name in names]
    return not all(module.startswith("keras.") for module in modules)


def are_arrays(*data) -> bool:
    """Whether these are NumPy arrays, all of as many rows; None is left out."""
    arrays = [array for array in keras.tree.flatten(data) if array is not None]
    if not arrays or not all(isinstance(array, np.ndarray) and array.ndim for array in arrays):
        return False
    return len({len(array) for array in arrays}) == 1


def split(x, y, fraction: float) -> dict:
    """Takes `validation_split` off the end of arrays, as Keras does: arguments of `fit`."""
    count = len(keras.tree.flatten(x)[0])
    train_count = math.floor(count * (1.0 - fraction))
    if not 0 < train_count < count:
        return {}  # for Keras to refuse

    def rows(part, *bounds):
        return keras.tree.map_structure(
            lambda array: None if array is None else array[slice(*bounds)], part
        )

    held_out = rows(x, train_count, count), rows(y, train_count, count)
    x, y = rows(x, train_count), rows(y, train_count)
    return {"x": x, "y": y, "validation_data": held_out, "validation_split": 0.0}


def _as_floatx(array):
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(keras.config.floatx(), copy=False) if is_float else array
