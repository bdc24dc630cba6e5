"""Many steps in one function of JAX: Keras's compiled step, for each batch of a block in turn."""

from __future__ import annotations

import functools

import jax
import keras

from keras_cvae.fitting import jax_convolutions, sharding


class Program:
    """A train or test function for Keras: `program(state, iterator)` returns `(logs, state)`.

    Args:
        model: The model; its step is called with a state and a batch.
        kind: `"train"` or `"test"`.
        batch_size: Number of rows of a step's batch.
        jit_compile: As passed to `compile`; here a step is always compiled.
    """

    def __init__(self, model, kind: str, batch_size: int, jit_compile):
        step = getattr(model, f"{kind}_step")
        if jax_convolutions.is_on():
            step = jax_convolutions.in_fast_layout(step)
        self._make, self.batch_size = functools.partial(jax.jit, step, donate_argnums=0), batch_size
        self._step = None

    def __call__(self, state, iterator):
        rows, block = next(iterator)
        logs, state = None, _apart(state)
        if self._step is None:
            is_one = sharding.current() is None
            options = {} if is_one else {"out_shardings": (None, sharding.layouts(state))}
            self._step = self._make(**options)
        for batch in block if isinstance(block, list) else self._batches(int(rows), block):
            logs, state = self._step(state, batch)
        return logs, state

    def _batches(self, rows, block):
        for start in range(0, rows, self.batch_size):
            of_batch = slice(start, min(start + self.batch_size, rows))
            yield keras.tree.map_structure(lambda array, rows=of_batch: array[rows], block)


def _apart(state):
    """Returns the state with copies of arrays that are in it twice: an array is donated only once.

    JAX may keep one array for two variables of the same value, such as a learning rate and a beta
    of 0.001.
    """
    seen = set()

    def own(array):
        if id(array) in seen:
            return jax.numpy.copy(array)
        seen.add(id(array))
        return array

    return jax.tree.map(own, state)
