"""Loss layers of the divergence of the posterior q(z | x, y) from the prior p(z | y)."""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import checks, priors
from keras_cvae.precision import Float32Layer
from keras_cvae.terms import LossLayer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


def flat(x) -> Tensor:
    """Reshapes a tensor of shape `(batch, ...)` to one row for each example."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


class PriorLayer(Float32Layer):
    """A layer that owns a prior, and builds it for the latents of the layer's first call.

    Args:
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: `[z_mean, z_log_var]`, or `[z_mean, z_log_var, z]`: tensors of shape
            `(batch, ...)`.
        y: The condition, of shape `(batch, width)`, where the prior depends on it.

    Raises:
        ValueError: If the prior is unknown.
    """

    def __init__(self, prior="standard_normal", **kwargs):
        super().__init__(**kwargs)
        self.prior = priors.get(prior)

    def build(self, inputs_shape, y_shape=None) -> None:
        self.prior.build_for((None, math.prod(inputs_shape[0][1:])), y_shape)
        self.built = True

    def get_config(self) -> dict:
        prior = keras.saving.serialize_keras_object(self.prior)
        return {**super().get_config(), "prior": prior}

    @classmethod
    def from_config(cls, config) -> PriorLayer:
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})


class Divergence(PriorLayer, LossLayer):
    """A loss layer between the posterior q(z | x, y) and the prior p(z | y).

    A subclass defines `call`, which adds its terms and returns the inputs.

    Args:
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: `[z_mean, z_log_var]` or, where a sample is needed, `[z_mean, z_log_var, z]`:
            tensors of shape `(batch, ...)`, summed over all axes but the first.
        y: The condition, of shape `(batch, width)`, where the prior depends on it.

    Returns:
        The inputs, unchanged. Use them in the rest of the graph: Keras leaves a layer out of a
        functional model, and its loss too, if no output depends on it.

    Raises:
        ValueError: If the prior is unknown, or z is missing where it is needed.
    """

    term = "kl"

    @property
    def needs_sample(self) -> bool:
        """Whether the inputs must include z."""
        return not self.prior.closed_form

    def build(self, inputs_shape, y_shape=None) -> None:
        if len(inputs_shape) < 3 and self.needs_sample:
            reason = f"{type(self).__name__} compares samples"
            if not self.prior.closed_form:
                reason = f"{type(self.prior).__name__} has no closed form of the KL divergence"
            raise checks.ArgumentError(
                "inputs", f"must be [z_mean, z_log_var, z]: {reason}", "two tensors"
            )
        super().build(inputs_shape, y_shape)

    def kl(self, inputs, y=None) -> Tensor:
        """Returns KL(q(z | x, y) || p(z | y)), a tensor of shape `(batch,)`, in nats."""
        return self.prior.kl(*map(flat, inputs), y=y)

    def compute_output_spec(self, inputs, y=None, training=False) -> list[keras.KerasTensor]:
        return [keras.KerasTensor(x.shape, dtype=self.compute_dtype) for x in inputs]


@register
class KLDivergence(Divergence):
    """Loss layer: adds beta * KL(q(z | x, y) || p(z | y)), averaged over the batch, in nats.

    Args:
        beta: Weight of the term in the loss; 1 makes the loss minus the ELBO. It is stored as the
            non-trainable weight `beta`, which callbacks may assign while `fit` runs.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: As for `Divergence`; a prior without a closed form needs z.
        y: As for `Divergence`.

    Returns:
        The inputs, unchanged; use them in the rest of the graph.

    Raises:
        ValueError: If an argument is not one of the above, or z is missing where it is needed.
    """

    def __init__(self, beta: float = 1.0, prior="standard_normal", **kwargs):
        super().__init__(prior, **kwargs)
        self.initial_beta = checks.number("beta", beta, least=0)
        self.beta = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(beta),
            trainable=False,
            dtype="float32",
            name="beta",
        )

    def call(self, inputs, y=None) -> list[Tensor]:
        self.add_term(self.kl(inputs, y), ops.convert_to_tensor(self.beta))
        return inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "beta": self.initial_beta}
