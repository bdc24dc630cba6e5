"""Data adapters: what Keras's loops iterate over."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import keras

try:
    from keras.src.trainers import data_adapters
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
except ImportError:  # in a later Keras
    data_adapters, DataAdapter = None, object


def adapter(stream, y=None, shuffle: bool = False) -> DataAdapter:
    """Returns Keras's data adapter for a stream, which iterates over its batches as NumPy arrays.

    Raises:
        ValueError: If Keras does not support such a stream, or no `y` beside it.
    """
    with warnings.catch_warnings():  # `shuffle=True` is the default of `fit`, not a request
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        return data_adapters.get_data_adapter(stream, y, shuffle=shuffle)


def is_adapted(stream) -> bool:
    """Returns whether a stream is a data adapter, or a data set distributed by a strategy."""
    names = {cls.__name__ for cls in type(stream).__mro__}
    return isinstance(stream, DataAdapter) or "DistributedDatasetInterface" in names


def may_count(model: keras.Model) -> bool:
    """Returns whether TensorFlow's distribution strategy accepts objects other than data sets.

    The default strategy does; `OneDeviceStrategy` does not.
    """
    if keras.backend.backend() != "tensorflow":
        return True
    stand_in = object()
    try:
        distribute = model.distribute_strategy.experimental_distribute_dataset
        return distribute(stand_in) is stand_in
    except Exception:  # the strategy asks for a data set
        return False


class IteratorAdapter(DataAdapter):
    """Passes the items of an iterator to Keras as they are, on JAX and torch.

    Args:
        num_batches: Number of items in an epoch.
        read: Function without arguments that returns a new iterator.
    """

    num_batches = batch_size = None

    def __init__(self, num_batches, read):
        self.num_batches = num_batches
        self.get_numpy_iterator = self.get_jax_iterator = self.get_torch_dataloader = read

    def on_epoch_begin(self) -> None:
        """Does nothing: each epoch has a new iterator."""

    def on_epoch_end(self) -> None:
        """Does nothing."""


class CountingAdapter(DataAdapter):
    """Lets Keras count the batches of a stream, while the train function reads them itself.

    Args:
        adapter: Keras's adapter of the stream.
        begin_pass: Called when Keras begins to iterate over the stream.
        begin_epoch: Called when Keras begins to count the batches of an epoch.
        advance: Called for each batch on torch, where Keras's loop asks for the batch before it
            calls the train function; raises `StopIteration` at the end.
    """

    batch_size = None

    def __init__(self, adapter, begin_pass, begin_epoch, advance):
        self._adapter = adapter
        self._begin_pass, self._begin_epoch, self._advance = begin_pass, begin_epoch, advance

    @property
    def num_batches(self) -> int | None:
        return self._adapter.num_batches

    def on_epoch_begin(self) -> None:
        self._begin_epoch()
        self._adapter.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._adapter.on_epoch_end()

    def __iter__(self):
        self._begin_pass()
        return itertools.repeat(())  # which a distribution on JAX passes on

    def get_tf_dataset(self) -> CountingAdapter:
        return self  # Keras only iterates over it

    get_jax_iterator = __iter__

    def get_torch_dataloader(self) -> Iterator:
        self._begin_pass()
        while True:
            try:
                self._advance()
            except StopIteration:
                return
            yield None


class CheckingAdapter(DataAdapter):
    """Checks each batch of a stream where Keras itself takes the steps.

    Args:
        adapter: Keras's adapter of the stream.
        check: Function of a batch of NumPy arrays and its number, from 1, to what a step takes.

    Attributes:
        failure: What the check raised, which TensorFlow wraps in an error of its own; or None.
    """

    batch_size = None

    def __init__(self, adapter, check):
        self._adapter, self._check = adapter, check
        self.failure = None

    @property
    def num_batches(self) -> int | None:
        return self._adapter.num_batches

    def on_epoch_begin(self) -> None:
        self._adapter.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._adapter.on_epoch_end()

    def get_numpy_iterator(self) -> Iterator:
        return map(self._checked, itertools.count(1), self._adapter.get_numpy_iterator())

    get_jax_iterator = get_numpy_iterator

    def get_torch_dataloader(self) -> Iterator:
        for batch in self.get_numpy_iterator():
            yield keras.tree.map_structure(keras.ops.convert_to_tensor, batch)

    def get_tf_dataset(self) -> Any:
        """Returns the data set, which a strategy may distribute, with its batches unchanged."""
        import tensorflow as tf

        @tf.autograph.experimental.do_not_convert
        def checked(number, batch):
            def check(number, *arrays):
                self._checked(number + 1, tf.nest.pack_sequence_as(batch, arrays))
                return True

            done = tf.numpy_function(check, [number, *tf.nest.flatten(batch)], tf.bool)
            with tf.control_dependencies([done]):
                return tf.nest.map_structure(tf.identity, batch)

        return self._adapter.get_tf_dataset().enumerate().map(checked)

    def _checked(self, number, batch):
        try:
            return self._check(batch, number)
        except ValueError as error:
            self.failure = error
            raise
