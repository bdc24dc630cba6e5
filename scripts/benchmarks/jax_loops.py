"""The program in JAX: a compiled step, called for each batch."""

from __future__ import annotations

import functools
import math

import jax
import numpy as np
from architecture import (
    BETA_1,
    BETA_2,
    EPSILON,
    LEARNING_RATE,
    small_shape,
    weights,
)
from jax import lax
from jax import numpy as jnp

# Padding that is "same" for kernels of 3 x 3 and even sizes, by stride, and that of the gradient.
SAME = {1: ((1, 1), (1, 1)), 2: ((0, 1), (0, 1))}
BACK = {1: ((1, 1), (1, 1)), 2: ((2, 1), (2, 1))}


def _dense(params, x):
    kernel, bias = params
    return x @ kernel + bias


# On a CPU, XLA has a fast convolution only for images NHWC and kernels HWIO, and does not convert
# others within a loop. With lax.conv_transpose and JAX's own gradients, an epoch took 8 times as
# long step by step, and 24 times as long in a scan. So gradients use that layout, behind barriers
# that prevent XLA from removing the transpositions.


def _convolve(x, kernel, padding, **options):
    options = {"window_strides": (1, 1), **options}
    layout = ("NHWC", "HWIO", "NHWC")
    return lax.conv_general_dilated(x, kernel, padding=padding, dimension_numbers=layout, **options)


def _forward(x, kernel, stride):
    return _convolve(x, kernel, SAME[stride], window_strides=(stride, stride))


def _input_gradient(g, kernel, stride):
    kernel = lax.optimization_barrier(kernel[::-1, ::-1].transpose(0, 1, 3, 2))
    return _convolve(g, kernel, BACK[stride], lhs_dilation=(stride, stride))


def _kernel_gradient(x, g, stride):
    x, g = lax.optimization_barrier((x.transpose(3, 1, 2, 0), g.transpose(1, 2, 0, 3)))
    kernel = _convolve(x, g, SAME[stride], rhs_dilation=(stride, stride))
    return lax.optimization_barrier(kernel).transpose(1, 2, 0, 3)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv(x, kernel, stride):
    return _forward(x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _conv_transpose(x, kernel, stride):
    return _input_gradient(x, kernel, stride)


def _remember(operation):
    return lambda x, kernel, stride: (operation(x, kernel, stride), (x, kernel))


def _conv_backward(stride, saved, g):
    x, kernel = saved
    return _input_gradient(g, kernel, stride), _kernel_gradient(x, g, stride)


def _conv_transpose_backward(stride, saved, g):
    x, kernel = saved
    return _forward(g, kernel, stride), _kernel_gradient(g, x, stride)


_conv.defvjp(_remember(_forward), _conv_backward)
_conv_transpose.defvjp(_remember(_input_gradient), _conv_transpose_backward)


def _reparameterize(z_mean, z_log_var, key):
    return z_mean + jnp.exp(0.5 * z_log_var) * jax.random.normal(key, z_mean.shape)


def minus_elbo(params, images, labels, key, data, model):
    """-log p(x | z, y) + KL(q(z | x, y) || p(z)), averaged over the batch, in nats."""
    x = images.astype("float32") / data.scale
    if model == "conv":
        x = (x > 0.5).astype("float32")
        hidden = x
        for kernel, bias in params[:2]:
            hidden = jax.nn.relu(_conv(hidden, kernel, 2) + bias)
        hidden = hidden.reshape(len(x), -1)
        z_mean, z_log_var = _dense(params[2], hidden), _dense(params[3], hidden)
        z = _reparameterize(z_mean, z_log_var, key)
        hidden = jax.nn.relu(_dense(params[4], z)).reshape(-1, *small_shape(data.image_shape))
        for kernel, bias in params[5:7]:
            hidden = jax.nn.relu(_conv_transpose(hidden, kernel, 2) + bias)
        kernel, bias = params[7]
        logits = _conv_transpose(hidden, kernel, 1) + bias
    else:
        x = x.reshape(-1, math.prod(data.image_shape))
        y = jax.nn.one_hot(labels, data.num_classes)
        hidden = jax.nn.relu(_dense(params[0], jnp.concatenate([x, y], axis=1)))
        z_mean, z_log_var = _dense(params[1], hidden), _dense(params[2], hidden)
        z = _reparameterize(z_mean, z_log_var, key)
        hidden = jax.nn.relu(_dense(params[3], jnp.concatenate([z, y], axis=1)))
        logits = _dense(params[4], hidden)
    reconstruction = jnp.sum(jax.nn.softplus(logits) - x * logits)
    kl = -0.5 * jnp.sum(1 + z_log_var - z_mean**2 - jnp.exp(z_log_var))
    return (reconstruction + kl) / len(x)


def minus_iwae(params, images, labels, key, data, samples):
    """Minus the importance-weighted bound of the dense model, averaged over the batch, in nats."""
    x = images.astype("float32").reshape(len(images), -1) / data.scale
    y = jax.nn.one_hot(labels, data.num_classes)
    hidden = jax.nn.relu(_dense(params[0], jnp.concatenate([x, y], axis=1)))
    z_mean, z_log_var = (_dense(params[i], hidden)[:, None] for i in (1, 2))
    noise = jax.random.normal(key, (len(x), samples, z_mean.shape[-1]))
    z = z_mean + jnp.exp(0.5 * z_log_var) * noise
    y = jnp.repeat(y[:, None], samples, axis=1)
    rows = jnp.concatenate([z, y], axis=-1).reshape(len(x) * samples, -1)
    hidden = jax.nn.relu(_dense(params[3], rows))
    logits = _dense(params[4], hidden).reshape(len(x), samples, -1)
    log_p = jnp.sum(x[:, None] * logits - jax.nn.softplus(logits), axis=-1)
    # log p(z) - log q(z | x, y): the constants cancel.
    log_ratio = 0.5 * jnp.sum(noise**2 + z_log_var - z**2, axis=-1)
    return -jnp.mean(jax.nn.logsumexp(log_p + log_ratio, axis=1) - math.log(samples))


def _initial_state(data, model, seed):
    params = jax.tree.map(jnp.asarray, weights(model, data, seed))
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    return params, zeros(params), zeros(params), jnp.zeros((), "int32"), jax.random.key(seed)


def _train_step(state, images, labels, data, model, samples=1):
    """One step of Adam; returns the state and the loss summed over the batch."""
    params, m, v, step, key = state
    inputs = params, images, labels, jax.random.fold_in(key, step), data
    if samples > 1:
        loss, gradients = jax.value_and_grad(minus_iwae)(*inputs, samples)
    else:
        loss, gradients = jax.value_and_grad(minus_elbo)(*inputs, model)
    step += 1
    t = step.astype("float32")
    alpha = LEARNING_RATE[model] * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    m = jax.tree.map(lambda a, g: a + (g - a) * (1 - BETA_1), m, gradients)
    v = jax.tree.map(lambda a, g: a + (g * g - a) * (1 - BETA_2), v, gradients)
    params = jax.tree.map(lambda w, a, b: w - alpha * a / (jnp.sqrt(b) + EPSILON), params, m, v)
    return (params, m, v, step, key), loss * len(images)


def step_loop(data, model, batch_size, seed, samples=1):
    """A compiled train step, called for each batch of a shuffled index.

    With several `samples` per image, it trains the dense model's importance-weighted bound.
    """
    rng = np.random.default_rng(seed)
    state = _initial_state(data, model, seed)

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def train_step(state, total, images, labels):
        state, loss = _train_step(state, images, labels, data, model, samples)
        return state, total + loss

    def epoch():
        nonlocal state
        total = jnp.zeros(())
        order = rng.permutation(len(data.images))
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            state, total = train_step(state, total, data.images[rows], data.labels[rows])
        return float(total) / len(order)

    return epoch
