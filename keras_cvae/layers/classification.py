"""Samples of the label y from q(y | x), and the loss that trains q(y | x)."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.precision import Float32Layer
from keras_cvae.terms import LossLayer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
class ClassificationLoss(LossLayer):
    """Loss layer: adds weight * -log q(y | x), averaged over the labelled examples, in nats.

    Args:
        weight: Weight of the term in the loss.

    Call arguments:
        inputs: `[label, logits]`: integer labels of shape `(batch,)`, -1 for examples without a
            label, and logits of shape `(batch, num_classes)`.

    Returns:
        The logits, unchanged.

    Raises:
        ValueError: If `weight` is negative or not finite.
    """

    def __init__(self, weight: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = checks.number("weight", weight, least=0)

    def call(self, inputs) -> Tensor:
        label, logits = inputs
        # An unknown label's one-hot vector is all zeros: it adds nothing to the sum.
        one_hot = ops.one_hot(label, logits.shape[-1], dtype=logits.dtype)
        labelled = ops.sum(one_hot, axis=-1)
        share = ops.maximum(ops.sum(labelled), 1.0) / ops.cast(ops.shape(labelled)[0], "float32")
        self.add_term(-ops.sum(one_hot * ops.log_softmax(logits), axis=-1) / share, self.weight)
        return logits

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[1]

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self.weight}


@register
class GumbelSoftmax(Float32Layer):
    """Samples one-hot vectors from logits, with the gradient of their softmax relaxation.

    In training y = onehot(argmax(logits + g)), where g is Gumbel noise; the gradient is that of
    softmax((logits + g) / temperature). Otherwise y is the most probable class.

    Args:
        temperature: Temperature of the relaxation, positive; small values bring it near the one-hot
            vector, with a gradient of greater variance.
        seed: Optional integer seed.

    Call arguments:
        inputs: Logits of shape `(batch, num_classes)`.
        training: Whether to sample.

    Returns:
        One-hot vectors of the same shape.

    Raises:
        ValueError: If `temperature` is not a positive, finite number.

    Reference:
        [Jang et al., 2017](https://arxiv.org/abs/1611.01144).
    """

    def __init__(self, temperature: float = 1.0, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.temperature = checks.number("temperature", temperature, above=0)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False) -> Tensor:
        logits = inputs
        if training:
            uniform = noise.uniform(ops.shape(inputs), self.seed_generator, minval=1e-7)
            logits = inputs - ops.log(-ops.log(uniform))
        soft = ops.softmax(logits / self.temperature)
        hard = ops.one_hot(ops.argmax(logits, axis=-1), inputs.shape[-1], dtype=soft.dtype)
        return soft + ops.stop_gradient(hard - soft)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "temperature": self.temperature, "seed": self.seed}
