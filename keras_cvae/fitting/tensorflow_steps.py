"""Many steps in one function of TensorFlow: a `tf.while_loop` over the batches of a block."""

from __future__ import annotations

import keras
import tensorflow as tf

from keras_cvae.fitting import blocks, inside, retracing

CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


class Program:
    """A train or test function for Keras: `program(iterator)` returns the logs of a block.

    One call of TensorFlow takes the steps of a block that lies in memory, where Keras's function of
    many steps asks an iterator for each batch; for dense models XLA compiles the whole loop.

    Args:
        model: The model; its step is called with a batch.
        kind: `"train"` or `"test"`.
        batch_size: Number of rows of a step's batch.
        jit_compile: As passed to `compile`.
    """

    def __init__(self, model, kind: str, batch_size: int, jit_compile):
        self.batch_size = batch_size
        step = getattr(model, f"{kind}_step")
        # On a CPU Keras does not use XLA, but a loop of small matrix products is faster with it.
        gains = kind == "train" and jit_compile == "auto" and gains_by_xla(model)

        @tf.function(jit_compile=model.jit_compile or gains, autograph=False, reduce_retracing=True)
        def loop(block, count):
            def body(i):
                def rows(array):
                    start = [i * batch_size] + [0] * (len(array.shape) - 1)
                    return tf.slice(array, start, [batch_size, *array.shape[1:]])

                step(keras.tree.map_structure(rows, block))
                return (i + 1,)

            tf.while_loop(lambda i: i < count, body, (tf.constant(0),))
            return model.get_metrics_result()

        @tf.function(jit_compile=model.jit_compile, autograph=False, reduce_retracing=True)
        def last(batch):
            step(batch)
            return model.get_metrics_result()

        self.loop, self.last = loop, last

    def __call__(self, iterator):
        rows, block = next(iterator)
        count, partial = blocks.divide(block, rows, self.batch_size)
        logs = None
        with retracing.silence():
            if count:
                logs = self.loop(block, count)
            if partial is not None:
                logs = self.last(partial)
        return logs


def gains_by_xla(model) -> bool:
    """Returns whether XLA supports every layer and none is a convolution, slow in loops on CPUs."""
    layers = inside.layers(model)
    return all(layer.supports_jit and not isinstance(layer, CONVOLUTIONS) for layer in layers)
