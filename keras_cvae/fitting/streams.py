"""Streams as the input of fused steps: S batches form a block, in their order.

Keras counts the batches of a stream one by one, by its own rules for epochs, and calls its train
function for each. Here that function takes the steps of a whole block when it is called for the
block's first batch, and returns at once for the others. So every rule of Keras holds: the number of
batches of an epoch, what continues in the next epoch, what happens at the end of the stream.

Within an epoch a thread reads ahead, two blocks besides the one in use. Each batch is checked as it
arrives. A batch of another size than the first is a step of its own. An error of the stream or of a
check is raised after training on all batches before it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import keras
import numpy as np

from keras_cvae.data import inputs
from keras_cvae.data.arrays import as_floatx
from keras_cvae.fitting import blocks, inside, sharding
from keras_cvae.fitting.reading import (
    ahead,
    checksum,
    close_in_thread,
    single_threaded,
    tensors,
)

ALONE = 2**31 - 1  # the batch size of a program that takes batches of any size, one by one


class Streams:
    """A stream of batches, in blocks of `steps`.

    Args:
        model: The model, whose `batch_checker` turns a batch into the input of a step.
        adapter: Keras's adapter of the stream, of `inside.adapter`.
        steps: Number of batches of a block; `"auto"` chooses it by the size of a batch.
        batches: Number of batches of an epoch; by default the length of the stream.

    Attributes:
        steps: Number of batches of a block; for `"auto"` None until the first batch has arrived.
        batches: Number of batches of an epoch, or None if unknown.
        is_summed: Whether a checksum of all batches is kept.
    """

    is_summed = False

    def __init__(self, model, adapter, steps="auto", batches: int | None = None):
        self._model, self._adapter, self._asked = model, adapter, batches
        self._check, self._sharding = model.batch_checker(), sharding.current()
        known = batches or adapter.num_batches, keras.config.max_steps_per_epoch()
        self.batches = min(filter(None, known), default=None)
        self.steps = None if steps == "auto" else steps
        self._common = None  # shapes and dtypes of the batches of blocks
        self._epoch: int | None = None
        self._passing = self._block = self._logs = None
        self._left = self._count = self._done = self._sum = 0

    @property
    def order_state(self) -> dict[str, int]:
        """The checksum of all batches that have been read, at the end of an epoch."""
        return {"read": self._sum}

    def resume(self, order_state: dict[str, int]) -> None:
        """Does nothing: a stream is read again."""

    def fit_arguments(self) -> dict:
        """Arguments for `keras.Model.fit`: `x`, `batch_size`, `shuffle`, `steps` of an epoch."""
        hooks = self._begin_pass, self._begin_count, self._advance
        counting = inside.CountingAdapter(self._adapter, *hooks)
        return {"x": counting, "batch_size": None, "shuffle": False, "steps": self._asked}

    def begin_epoch(self, epoch: int) -> None:
        """Sets the number of the epoch in `fit`, before its first batch is read."""
        self._epoch = epoch

    def first_batch(self, batch: int) -> int | None:
        """Returns the number of a batch if it is the first of a block, else None."""
        return batch if batch == self._done else None

    def last_batch(self, batch: int) -> int | None:
        """Returns the number of the last batch of a block from that of its first, else None."""
        return self._done - 1 if batch == self._done - self._count else None

    def function(self, compiled: Callable | None) -> Callable:
        """Returns the train or test function for Keras's loop, which calls it for each batch.

        Args:
            compiled: Function from a batch size to a program; None to read and take no step.
        """

        def run(*args):
            *state, batches = args  # a state comes first on JAX
            try:
                if not isinstance(batches, list):  # on torch Keras has called `_advance` already
                    if self._sharding is not None:
                        next(batches)  # Keras asks its adapter for an iterator only then
                    self._advance()
            except BaseException:
                if state:
                    inside.give_back(self._model, *state)
                raise
            if self._block is not None and compiled is None:
                self._block, self._logs = None, {}
                self._done += self._count
            elif self._block is not None:
                (batch_size, *block), self._block = self._block, None
                results = compiled(batch_size)(*state, iter([tuple(block)]))
                self._logs, *state = results if state else (results,)
                self._done += self._count
            return (self._logs, *state) if state else self._logs

        return run

    def close(self) -> None:
        """Ends the reading."""
        if self._passing is not None:
            self._passing.close()
        self._passing = self._block = self._logs = None

    def _begin_pass(self):
        self.close()
        self._passing = self._blocks_of(iter(self._adapter.get_numpy_iterator()))
        self._left = 0

    def _begin_count(self):
        self._done = 0

    def _advance(self):
        """Moves on to the next batch, and to the next block after the last batch of this one.

        Raises:
            StopIteration: If the stream has ended.
        """
        if not self._left:
            if self._logs:  # wait for it: JAX would queue block after block
                keras.ops.convert_to_numpy(next(iter(self._logs.values())))
            self._block, self._count = next(self._passing)
            self._left = self._count
        self._left -= 1

    def _blocks_of(self, batches):
        """Yields all blocks of a pass over the stream: one epoch, or several of `batches` each."""
        is_over = False
        try:
            while not is_over:
                is_over = True
                gathered = self._gather(itertools.islice(batches, self.batches))
                gathered = gathered if self._sharding is None else map(self._divide, gathered)
                for block in ahead(single_threaded(gathered)):
                    is_over = False
                    yield block
        finally:
            close_in_thread(batches)

    def _divide(self, item):
        (batch_size, rows, block), count = item
        return (batch_size, rows, self._sharding.of_process(block, batch_size)), count

    def _gather(self, batches):
        """Yields `((batch_size, rows, block), count)` for each block of an epoch."""
        block = failure = None
        for number in itertools.count(1):
            batch = shapes = None
            try:
                batch = self._checked(next(batches), number)
                shapes = keras.tree.map_structure(lambda array: (array.shape, array.dtype), batch)
            except Exception as error:  # `StopIteration` too
                failure = error
            if block is not None and shapes != self._common:
                yield block.full()
                block = None
            if failure is not None:
                break
            if self._common is None:
                self._begin(batch, shapes)
            if shapes != self._common or self.steps == 1:
                yield _alone(batch)
                continue
            if block is None:
                block = _Block(batch, self.steps)
            block.add(batch)
            if block.count == self.steps:
                yield block.full()
                block = None
        if not isinstance(failure, StopIteration):
            raise failure

    def _checked(self, batch, number):
        if self.is_summed:
            for array in keras.tree.flatten(batch):
                if array is not None:
                    self._sum = checksum(np.asarray(array), self._sum)
        of = "the data to evaluate" if self._epoch is None else f"epoch {self._epoch + 1}"
        return _checked(self._check, batch, f"Batch {number} of {of}")

    def _begin(self, batch, shapes):
        self._common = shapes
        if self.steps is None:
            self.steps = blocks.choose_steps(keras.tree.flatten(batch), self.batches)
        self.steps = min(self.steps, self.batches or self.steps)


@contextlib.contextmanager
def check_batches(model, options: dict) -> Iterator[None]:
    """Checks each batch of the streams that Keras reads in the context, where steps are not fused.

    Args:
        model: The model, whose `batch_checker` turns a batch into the input of a step.
        options: Arguments of `fit`, `evaluate` or `predict` by name; changed in place.

    Raises:
        ValueError: If the model cannot take a batch.
    """
    adapters = []

    def of_stream(stream, y):
        check, adapter = model.batch_checker(), inside.adapter(stream, y)
        adapters.append(
            inside.CheckingAdapter(
                adapter, lambda batch, number: _checked(check, batch, f"Batch {number}")
            )
        )
        return adapters[-1]

    def may_check(stream):
        return inputs.is_stream(stream) and not inside.is_adapted(stream)

    if may_check(options["x"]):
        options |= {"x": of_stream(options["x"], options.get("y")), "y": None}
        options |= {name: None for name in ("batch_size", "shuffle") if name in options}
    held_out = keras.utils.unpack_x_y_sample_weight(options.get("validation_data"))
    if may_check(held_out[0]) and held_out[2] is None:
        options["validation_data"] = (of_stream(*held_out[:2]), None)
    restored = inside.restore_variables_on_error(model) if adapters else contextlib.nullcontext()
    try:
        with restored:
            yield
    except Exception:
        for adapter in adapters:
            if adapter.failure is not None:
                raise adapter.failure from None
        raise


def _checked(check, batch, name):
    try:
        batch = check(batch)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    return keras.tree.map_structure(as_floatx, keras.tree.lists_to_tuples(batch))


class _Block:
    """Arrays with room for the rows of `steps` batches, which are copied there as they arrive."""

    def __init__(self, batch, steps):
        self.count, self.batch = 0, batch
        arrays = keras.tree.flatten(batch)
        self.rows = len(arrays[0])
        self.room = [np.empty((steps * len(a), *a.shape[1:]), a.dtype) for a in arrays]

    def add(self, batch):
        rows = slice(self.count * self.rows, (self.count + 1) * self.rows)
        for room, array in zip(self.room, keras.tree.flatten(batch), strict=True):
            room[rows] = array
        self.count += 1

    def full(self):
        if self.count == 1:
            return _alone(self.batch)
        block = keras.tree.pack_sequence_as(self.batch, self.room)
        return (self.rows, np.int32(self.count * self.rows), tensors(block)), self.count


def _alone(batch):
    rows = np.int32(len(keras.tree.flatten(batch)[0]))
    return (ALONE, rows, tensors(batch)), 1
