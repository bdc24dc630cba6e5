"""The loss layer of the likelihood: -log p(x | z, y)."""

from __future__ import annotations

import keras

from keras_cvae import likelihoods
from keras_cvae.terms import LossLayer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
class ReconstructionLoss(LossLayer):
    """Loss layer: adds -log p(x | z, y), averaged over the batch, in nats.

    Args:
        likelihood: `"bernoulli"`, another name or an object from `keras_cvae.likelihoods`.

    Call arguments:
        inputs: `[x, parameters]`: pixels of shape `(batch, ...)`, and the decoder's output, whose
            shape is the likelihood's `parameter_shape`.

    Returns:
        The mean of p(x | z, y), a tensor of the shape of `x`: the reconstruction.

    Raises:
        ValueError: If the likelihood is unknown or the parameters have another shape.
    """

    term = "reconstruction"

    def __init__(self, likelihood="bernoulli", **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihoods.get(likelihood)

    def build(self, input_shape) -> None:
        self.likelihood.build_for(*input_shape)
        self.built = True

    def call(self, inputs, training=False) -> Tensor:
        x, parameters = inputs
        likelihood = self.likelihood
        log_prob = likelihood.log_prob_of_batch if training else likelihood.log_prob
        self.add_term(-log_prob(x, parameters))
        return self.likelihood.mean(parameters)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[0]

    def get_config(self) -> dict:
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood}

    @classmethod
    def from_config(cls, config) -> ReconstructionLoss:
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})
