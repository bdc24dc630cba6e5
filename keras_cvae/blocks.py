"""How arrays are fed to a program of many steps: blocks of S batches, and who counts them.

Arrays that fit into memory are put there once, and Keras iterates over the indices of their rows;
larger ones come a block at a time, read ahead of their use. Either way a program is given arrays
and the indices of a block's rows.
"""

from __future__ import annotations

import math

import keras
import numpy as np

BLOCK_BYTES = 2**25  # of examples as float32: an epoch of MNIST reports its progress six times
RESIDENT_BYTES = 2**30


class Blocks:
    """Arrays in blocks of `steps` batches.

    Args:
        data: Nested structure of NumPy arrays, all of as many rows.
        batch_size: How many rows a step takes.
        steps: How many steps make a block; `"auto"` chooses by the size of a row.
        shuffle: Whether to draw the rows in another order each epoch.
        untuned: Whether to feed TensorFlow by a `tf.data.Dataset` that does not tune itself. The
            tuning thread of the one that Keras makes of arrays can leave a graph of convolutions
            one core of two.

    Attributes:
        steps: How many steps make a block.
        batches: How many batches make an epoch, the last one perhaps partial.
        resident: Whether the arrays lie in the device's memory.
        needed: Whether Keras would feed the arrays less well.
    """

    def __init__(
        self, data, batch_size: int, steps="auto", shuffle: bool = False, untuned: bool = False
    ):
        arrays = keras.tree.flatten(data)
        self.batch_size, self.shuffle = batch_size, shuffle
        self.count = len(arrays[0])
        self.batches = math.ceil(self.count / batch_size)
        if steps == "auto":
            row_bytes = sum(4 * math.prod(array.shape[1:]) for array in arrays)
            steps = max(1, BLOCK_BYTES // (row_bytes * batch_size))
        self.steps = min(steps, self.batches)
        in_memory = sum(array.nbytes for array in arrays) <= RESIDENT_BYTES
        self.resident = in_memory and self.steps > 1
        self.needed = self.steps > 1 or not in_memory or untuned
        self._untuned = untuned
        self._data = data

    def feed(self) -> dict:
        """What to give Keras: the arguments `x`, `y`, `batch_size` and `shuffle` of `fit`."""
        size = self.steps * self.batch_size
        if self.resident:
            self._data = keras.tree.map_structure(_to_device, self._data)
            rows = np.arange(self.count, dtype="int32")
            if not self._untuned:
                return {"x": rows, "y": None, "batch_size": size, "shuffle": self.shuffle}
        reader = _Reader((rows,) if self.resident else self._data, self.count, size, self.shuffle)
        if self._untuned:
            reader = reader.dataset()
        return {"x": reader, "y": None, "batch_size": None, "shuffle": False}

    def block(self, item):
        """The arrays that a block's indices point into, and the indices, an int32 array."""
        first = keras.tree.flatten(item)[0]
        if self.resident:
            return self._data, keras.ops.convert_to_numpy(first)
        return item, np.arange(len(first), dtype="int32")

    def release(self) -> None:
        """Lets go of the arrays, whoever still holds on to this."""
        self._data = None

    def first_batch(self, block: int) -> int:
        """The number of a block's first batch."""
        return block * self.steps

    def last_batch(self, block: int) -> int:
        """The number of a block's last batch."""
        return min((block + 1) * self.steps, self.batches) - 1


class _Reader(keras.utils.PyDataset):
    """Reads blocks of rows ahead of their use, two at a time."""

    def __init__(self, data, count, size, shuffle):
        super().__init__(workers=2, max_queue_size=2)
        self.data, self.count, self.size, self.shuffle = data, count, size, shuffle
        self.order = None

    def __len__(self):
        return math.ceil(self.count / self.size)

    def __getitem__(self, index):
        rows = slice(index * self.size, (index + 1) * self.size)
        if self.order is not None:
            rows = self.order[rows]
        block = keras.tree.map_structure(lambda array: _as_floatx(array[rows]), self.data)
        return keras.tree.lists_to_tuples(block)

    def on_epoch_end(self):  # Keras calls it before the first epoch too
        if self.shuffle:
            self.order = np.random.permutation(self.count)

    def dataset(self):
        """The same as a `tf.data.Dataset` that does not tune itself."""
        import tensorflow as tf

        def epoch():
            self.on_epoch_end()
            yield from map(self.__getitem__, range(len(self)))

        signature = keras.tree.map_structure(
            lambda array: tf.TensorSpec((None, *array.shape[1:]), _as_floatx(array[:1]).dtype),
            keras.tree.lists_to_tuples(self.data),
        )
        options = tf.data.Options()
        options.autotune.enabled = False
        dataset = tf.data.Dataset.from_generator(epoch, output_signature=signature)
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(self)))
        return dataset.prefetch(2).with_options(options)


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


def _to_device(array):
    return keras.ops.convert_to_tensor(_as_floatx(np.asarray(array)))
