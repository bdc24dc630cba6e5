"""The limit: the matrix products and convolutions of a training step, and nothing else."""

from __future__ import annotations

import math

import tensorflow as tf
from architecture import small_shape, weights


def products(data, model, batch_size, seed, jit_compile=None, samples=1):
    """An epoch's worth of the products of forward and backward pass, in one compiled program.

    No activation, noise, loss, optimizer or reading of data; one batch serves all steps. The first
    layer has no gradient for its input. Each step adds the gradients, made small, to the kernels,
    so that it must wait for the one before.

    Args:
        data: The images, for their shape.
        model: `"dense"` or `"conv"`.
        batch_size: Size of a batch.
        seed: Of weights and batch.
        jit_compile: Whether XLA compiles it.
        samples: How many rows of the dense decoder an image makes.
    """
    if jit_compile is None:
        # On a CPU, dense: XLA twice as fast. Convolutions: without it, on oneDNN, 28 times as fast.
        jit_compile = model == "dense"
    kernels = [tf.Variable(kernel) for kernel, _ in weights(model, data, seed)]
    pixels = math.prod(data.image_shape)
    shape = [pixels + data.num_classes] if model == "dense" else data.image_shape
    forward = {"dense": _dense, "conv": _conv}[model]
    whole, rest = divmod(len(data.images), batch_size)
    small = None if model == "dense" else small_shape(data.image_shape)

    def step(values, x):
        with tf.GradientTape() as tape:
            tape.watch(values)
            logits = forward(values, x, small, data.num_classes, samples)
        # The gradient of |logits|^2 / 2 is the logits: no work of its own, and a sum that falls.
        gradients = tape.gradient(logits, values, output_gradients=logits)
        return [w - 1e-6 * g for w, g in zip(values, gradients, strict=True)]

    @tf.function(jit_compile=jit_compile)
    def run():
        x = tf.random.stateless_uniform([batch_size, *shape], [seed, 0], alg="philox")
        values = [kernel.read_value() for kernel in kernels]
        _, values = tf.while_loop(
            lambda i, _: i < whole,
            lambda i, values: (i + 1, step(values, x)),
            (0, values),
            parallel_iterations=1,
        )
        if rest:
            values = step(values, x[:rest])
        for kernel, value in zip(kernels, values, strict=True):
            kernel.assign(value)
        return tf.reduce_sum(values[0])

    def epoch():
        float(run())

    return epoch


def _dense(kernels, x, small, num_classes, samples):
    first, z_mean, z_log_var, third, last = kernels
    hidden = tf.matmul(x, first)
    z = tf.matmul(hidden, z_mean) + tf.matmul(hidden, z_log_var)
    z = tf.repeat(tf.concat([z, x[:, :num_classes]], axis=1), samples, axis=0)
    return tf.matmul(tf.matmul(z, third), last)


def _conv(kernels, x, small, num_classes, samples):
    hidden = tf.nn.conv2d(tf.nn.conv2d(x, kernels[0], 2, "SAME"), kernels[1], 2, "SAME")
    hidden = tf.reshape(hidden, [x.shape[0], -1])
    z = tf.matmul(hidden, kernels[2]) + tf.matmul(hidden, kernels[3])
    hidden = tf.reshape(tf.matmul(z, kernels[4]), [-1, *small])
    for i, scale in ((5, 2), (6, 4), (7, 4)):
        size = [x.shape[0], small[0] * scale, small[1] * scale, kernels[i].shape[2]]
        stride = 1 if i == 7 else 2
        hidden = tf.nn.conv2d_transpose(hidden, kernels[i], size, stride, "SAME")
    return hidden
