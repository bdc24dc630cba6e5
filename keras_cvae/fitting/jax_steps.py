"""Many steps in one program of JAX: a `fori_loop` over the batches of a block."""

from __future__ import annotations

import functools

import jax
import keras

from keras_cvae.fitting import blocks, inside, jax_convolutions


class Program:
    """What Keras calls as its train or test function, for the steps of a block.

    `program(state, iterator)` returns `(logs, state)`.

    Args:
        model: The model; its step is called with a state and a batch.
        kind: `"train"` or `"test"`.
        batch_size: How many rows a step takes.
        jit_compile: As given to `compile`; a loop of JAX is always compiled.
    """

    def __init__(self, model, kind: str, batch_size: int, jit_compile):
        self.batch_size = batch_size
        step = getattr(model, f"{kind}_step")
        if jax_convolutions.is_on():
            step = jax_convolutions.in_fast_layout(step)

        def logs(state):
            metrics = zip(model.metrics_variables, inside.metrics_state(state), strict=True)
            with keras.StatelessScope(state_mapping=list(metrics)):
                return model.get_metrics_result()

        @functools.partial(jax.jit, donate_argnums=0)
        def loop(state, block, count):
            def body(i, state):
                def rows(array):
                    return jax.lax.dynamic_slice_in_dim(array, i * batch_size, batch_size)

                return step(state, keras.tree.map_structure(rows, block))[1]

            state = jax.lax.fori_loop(0, count, body, state)
            return logs(state), state

        @functools.partial(jax.jit, donate_argnums=0)
        def last(state, batch):
            _, state = step(state, batch)
            return logs(state), state

        self.loop, self.last = loop, last

    def __call__(self, state, iterator):
        state = _apart(state)
        rows, block = next(iterator)
        count, partial = blocks.divide(block, rows, self.batch_size)
        logs = None
        if count:
            logs, state = self.loop(state, block, count)
        if partial is not None:
            logs, state = self.last(state, partial)
        return logs, state


def _apart(state):
    """The state, each array of it once: JAX keeps one array for two variables of the same number.

    A learning rate and a beta of 0.001 are such variables, and an array is donated only once.
    """
    seen = set()

    def own(array):
        if id(array) in seen:
            return jax.numpy.copy(array)
        seen.add(id(array))
        return array

    return jax.tree.map(own, state)
