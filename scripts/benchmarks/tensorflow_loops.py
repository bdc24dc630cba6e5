"""The program in TensorFlow: an epoch in one compiled function."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from architecture import (
    BETA_1,
    BETA_2,
    EPSILON,
    LATENT_DIM,
    LEARNING_RATE,
    small_shape,
    weights,
)


def minus_elbo(x, z_mean, z_log_var, logits):
    """-log p(x | z, y) + KL(q(z | x, y) || p(z)), averaged over the batch, in nats."""
    pixels = tf.nn.softplus(logits) - x * logits
    kl = -0.5 * (1 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))
    reconstruction = tf.reduce_sum(pixels, axis=list(range(1, len(x.shape))))
    return tf.reduce_mean(reconstruction + tf.reduce_sum(kl, axis=1))


def prepare(images, labels, data, model):
    """Pixels in [0, 1], or 0 and 1 for the convolutional model, and one-hot labels."""
    x = tf.cast(images, tf.float32) / data.scale
    if model == "conv":
        return tf.cast(x > 0.5, tf.float32), None
    x = tf.reshape(x, [-1, math.prod(data.image_shape)])
    return x, tf.one_hot(labels, data.num_classes)


def join(x, y):
    """Concatenates x and one-hot labels, if any."""
    return x if y is None else tf.concat([x, y], axis=1)


def dense_elbo(kernels, biases, x, y, noise, image_shape):
    """Minus the ELBO of the dense model."""

    def dense(i, x):
        return tf.matmul(x, kernels[i]) + biases[i]

    hidden = tf.nn.relu(dense(0, join(x, y)))
    z_mean, z_log_var = dense(1, hidden), dense(2, hidden)
    z = z_mean + tf.exp(0.5 * z_log_var) * noise
    logits = dense(4, tf.nn.relu(dense(3, join(z, y))))
    return minus_elbo(x, z_mean, z_log_var, logits)


def dense_iwae(kernels, biases, x, y, noise, samples):
    """Minus the importance-weighted bound of the dense model, `samples` rows of noise per image."""

    def dense(i, x):
        return tf.matmul(x, kernels[i]) + biases[i]

    hidden = tf.nn.relu(dense(0, join(x, y)))
    z_mean, z_log_var = (dense(i, hidden)[:, None] for i in (1, 2))
    noise = tf.reshape(noise, [-1, samples, z_mean.shape[-1]])
    z = z_mean + tf.exp(0.5 * z_log_var) * noise
    y = tf.repeat(y[:, None], samples, axis=1)
    rows = tf.reshape(tf.concat([z, y], axis=-1), [-1, z.shape[-1] + y.shape[-1]])
    logits = tf.reshape(dense(4, tf.nn.relu(dense(3, rows))), [-1, samples, x.shape[-1]])
    log_p = tf.reduce_sum(x[:, None] * logits - tf.nn.softplus(logits), axis=-1)
    # log p(z) - log q(z | x, y): the constants cancel.
    log_ratio = 0.5 * tf.reduce_sum(tf.square(noise) + z_log_var - tf.square(z), axis=-1)
    bound = tf.reduce_logsumexp(log_p + log_ratio, axis=1) - math.log(samples)
    return -tf.reduce_mean(bound)


def conv_elbo(kernels, biases, x, y, noise, image_shape):
    """Minus the ELBO of the convolutional model."""
    hidden = x
    for i in (0, 1):
        hidden = tf.nn.conv2d(hidden, kernels[i], 2, "SAME")
        hidden = tf.nn.relu(tf.nn.bias_add(hidden, biases[i]))
    hidden = tf.reshape(hidden, [-1, kernels[2].shape[0]])
    z_mean, z_log_var = (tf.matmul(hidden, kernels[i]) + biases[i] for i in (2, 3))
    z = z_mean + tf.exp(0.5 * z_log_var) * noise
    small = small_shape(image_shape)
    hidden = tf.reshape(tf.nn.relu(tf.matmul(z, kernels[4]) + biases[4]), [-1, *small])
    for i, scale in ((5, 2), (6, 4), (7, 4)):
        size = [tf.shape(z)[0], small[0] * scale, small[1] * scale, kernels[i].shape[2]]
        stride = 1 if i == 7 else 2
        hidden = tf.nn.conv2d_transpose(hidden, kernels[i], size, stride, "SAME")
        hidden = tf.nn.bias_add(hidden, biases[i])
        hidden = hidden if i == 7 else tf.nn.relu(hidden)
    return minus_elbo(x, z_mean, z_log_var, hidden)


ELBO = {"dense": dense_elbo, "conv": conv_elbo}


def compiled_epoch(data, model, batch_size, seed, jit_compile=None, samples=1):
    """A whole epoch in one `tf.function`, which gathers the batches and has its own Adam.

    Args:
        data: The images and labels.
        model: `"dense"` or `"conv"`.
        batch_size: Size of a batch.
        seed: Seed of weights, order and noise.
        jit_compile: Whether XLA compiles it.
        samples: Samples of z per image: with more than one, the dense model's importance-weighted
            bound.
    """
    if jit_compile is None:
        # On a CPU, XLA makes dense models twice as fast, and oneDNN convolutions 28 times.
        jit_compile = model == "dense"
    count, latent_dim, rate = len(data.images), LATENT_DIM[model], LEARNING_RATE[model]
    images, labels = tf.constant(data.images), tf.constant(data.labels)
    initial = [array for pair in weights(model, data, seed) for array in pair]
    zeros = [np.zeros_like(array) for array in initial]
    variables = [tf.Variable(array) for array in [*initial, *zeros, *zeros]]
    steps_done = tf.Variable(0)
    rng = np.random.default_rng(seed)

    def train_step(step, total, state, rows):
        """One step of Adam; `rows` are the images of the batch."""
        n = len(initial)
        values, m, v = state[:n], state[n : 2 * n], state[2 * n :]
        x, y = prepare(tf.gather(images, rows), tf.gather(labels, rows), data, model)
        size = rows.shape[0]
        shape = [size * samples, latent_dim]
        noise = tf.random.stateless_normal(shape, [seed, step], alg="philox")
        with tf.GradientTape() as tape:
            tape.watch(values)
            inputs = values[::2], values[1::2], x, y, noise
            if samples > 1:
                loss = dense_iwae(*inputs, samples)
            else:
                loss = ELBO[model](*inputs, data.image_shape)
        gradients = tape.gradient(loss, values)
        step += 1
        t = tf.cast(step, tf.float32)
        alpha = rate * tf.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        m = [a + (g - a) * (1 - BETA_1) for a, g in zip(m, gradients, strict=True)]
        v = [a + (g * g - a) * (1 - BETA_2) for a, g in zip(v, gradients, strict=True)]
        triples = zip(values, m, v, strict=True)
        values = [w - alpha * a / (tf.sqrt(b) + EPSILON) for w, a, b in triples]
        return step, total + loss * size, [*values, *m, *v]

    @tf.function(jit_compile=jit_compile)
    def train(order):
        whole, rest = divmod(count, batch_size)
        start = steps_done.read_value()

        def body(i, step, total, state):
            rows = tf.slice(order, [i * batch_size], [batch_size])
            return i + 1, *train_step(step, total, state, rows)

        state = [variable.read_value() for variable in variables]
        _, step, total, state = tf.while_loop(
            lambda i, *_: i < whole, body, (0, start, 0.0, state), parallel_iterations=1
        )
        if rest:
            step, total, state = train_step(step, total, state, order[-rest:])
        for variable, value in zip(variables, state, strict=True):
            variable.assign(value)
        steps_done.assign(step)
        return total

    return lambda: float(train(tf.constant(rng.permutation(count), tf.int32))) / count
