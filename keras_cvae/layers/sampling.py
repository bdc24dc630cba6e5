"""Samples of z from q(z | x, y), one or several for each example."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from keras_cvae import checks, divergences, noise
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
def reparameterize(inputs, seed) -> Tensor:
    """Samples z = mean + exp(log_var / 2) * eps, eps ~ N(0, I).

    Args:
        inputs: `[mean, log_var]`, tensors of shape `(batch, latent_dim)`.
        seed: A `keras.random.SeedGenerator` or an integer.

    Returns:
        Tensor of shape `(batch, latent_dim)`. Gradients flow to both inputs.

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114).
    """
    mean, log_var = map(ops.convert_to_tensor, inputs)
    log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)
    eps = noise.normal(ops.shape(mean), seed, mean.dtype)
    return mean + ops.exp(0.5 * log_var) * eps


@register
class Sampling(Float32Layer, keras.layers.Lambda):
    """Samples the posterior q(z | x, y) by the reparameterization trick, in float32.

    Every call samples new noise, in training and in inference, before and after saving.

    Args:
        seed: Optional integer seed.

    Call arguments:
        inputs: `[z_mean, z_log_var]`, tensors of shape `(batch, latent_dim)`.

    Returns:
        `z`, a tensor of shape `(batch, latent_dim)`.
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(reparameterize, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.arguments = {"seed": self.seed_generator}

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[0]

    def get_config(self) -> dict:
        return {**keras.layers.Layer.get_config(self), "seed": self.seed}

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None) -> Sampling:
        return cls(**config)


@register
class Repeat(keras.layers.Layer):
    """Repeats each row: K samples of an example are K rows, next to each other.

    Args:
        count: The number of repetitions, K.

    Call arguments:
        inputs: Tensor of shape `(batch, ...)`, or a list of them.

    Returns:
        Tensor of shape `(batch * count, ...)`, or a list of them.

    Raises:
        ValueError: If `count` is not an integer of at least 1.
    """

    def __init__(self, count: int, **kwargs):
        super().__init__(**kwargs)
        self.count = checks.integer("count", count, least=1)

    def call(self, inputs) -> Any:
        return keras.tree.map_structure(lambda x: ops.repeat(x, self.count, axis=0), inputs)

    def compute_output_spec(self, inputs) -> Any:
        def rows(tensor) -> Tensor:
            batch = tensor.shape[0] and tensor.shape[0] * self.count
            return keras.KerasTensor((batch, *tensor.shape[1:]), dtype=tensor.dtype)

        return keras.tree.map_structure(rows, inputs)

    def get_config(self) -> dict:
        return {**super().get_config(), "count": self.count}
