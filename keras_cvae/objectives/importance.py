r"""Layers of the K-sample bound: importance weights of the samples of each example.

    log p(x | y) >= E log 1/K \sum_k w_k,   w_k = p(x | z_k, y) p(z_k | y) / q(z_k | x, y)

K samples of an example are K adjacent rows (`layers.Repeat`), so that decoders, likelihoods and
priors treat them as examples; these layers reshape them to `(batch, K)`.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import divergences, likelihoods
from keras_cvae.layers.divergence import PriorLayer
from keras_cvae.names import of_group
from keras_cvae.precision import Float32Layer
from keras_cvae.terms import LossLayer, average
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
class LogRatio(PriorLayer):
    """log q(z | x, y) - log p(z | y) of each sample, whose mean is the KL divergence, in nats.

    Args:
        prior: A name or an object from `keras_cvae.priors`.
        path_only: Whether gradients reach the posterior only through z, as DReG needs.

    Call arguments:
        inputs: `[z_mean, z_log_var, z]`, tensors of shape `(rows, ...)`.
        y: The condition, of shape `(rows, width)`, if the prior depends on it.

    Returns:
        Tensor of shape `(rows,)`.
    """

    def __init__(self, prior="standard_normal", path_only: bool = False, **kwargs):
        super().__init__(prior, **kwargs)
        self.path_only = path_only

    def call(self, inputs, y=None) -> Tensor:
        mean, log_var, z = inputs
        if self.path_only:
            mean, log_var = ops.stop_gradient(mean), ops.stop_gradient(log_var)
        log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)  # as it was sampled
        return divergences.normal_log_prob(z, mean, log_var) - self.prior.log_prob(z, y)

    def compute_output_spec(self, inputs, y=None) -> keras.KerasTensor:
        return keras.KerasTensor((inputs[0].shape[0],), dtype=self.compute_dtype)

    def get_config(self) -> dict:
        return {**super().get_config(), "path_only": self.path_only}


@register
class LogWeights(Float32Layer):
    """Log importance weights of the samples of each example, in nats.

    Args:
        samples: The number of samples K of each example.
        likelihood: A name or an object from `keras_cvae.likelihoods`.

    Call arguments:
        inputs: `[x, parameters, log_ratio, ...]`: pixels of shape `(batch, ...)`, the decoder's
            output for the `batch * K` samples, and the `LogRatio` of each group of latents, of
            shape `(batch * K,)`.

    Returns:
        Tensor of shape `(batch, K)`.
    """

    def __init__(self, samples: int = 1, likelihood="bernoulli", **kwargs):
        super().__init__(**kwargs)
        self.samples = samples
        self.likelihood = likelihoods.get(likelihood)

    def build(self, input_shape) -> None:
        x, (_, *shape), *_ = input_shape
        self.likelihood.build_for(x, (None, *shape))
        self.built = True

    def call(self, inputs) -> Tensor:
        x, parameters, *log_ratios = inputs
        return self.log_likelihood(x, parameters) - sum(map(self.by_example, log_ratios))

    def log_likelihood(self, x, parameters, training=False) -> Tensor:
        """Returns log p(x | z, y) of every sample, of shape `(batch, K)`."""
        likelihood = self.likelihood
        log_prob = likelihood.log_prob_of_batch if training else likelihood.log_prob
        return self.by_example(log_prob(ops.repeat(x, self.samples, axis=0), parameters))

    def by_example(self, rows) -> Tensor:
        """Reshapes rows of shape `(batch * K,)` to `(batch, K)`."""
        return ops.reshape(rows, (-1, self.samples))

    def compute_output_shape(self, input_shape) -> tuple:
        return (input_shape[0][0], self.samples)

    def get_config(self) -> dict:
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "samples": self.samples, "likelihood": likelihood}

    @classmethod
    def from_config(cls, config) -> LogWeights:
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})


@register
class ImportanceWeightedLoss(LogWeights, LossLayer):
    r"""Loss layer: adds minus the K-sample bound, -log 1/K sum_k w_k, averaged over the batch.

    It reports the averages over the samples of -log p(x | z, y) and of each group's log ratio,
    whose sum is minus the ELBO; with K = 1 that is the loss.

    Args:
        samples: The number of samples K of each example.
        likelihood: A name or an object from `keras_cvae.likelihoods`.
        groups: The number of groups of latents.

    Call arguments:
        inputs: As for `LogWeights`, followed, for DReG, by the carrier of `WeightedPath`.

    Returns:
        The mean of p(x | z_1, y), a tensor of the shape of `x`: a reconstruction.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519).
    """

    def __init__(self, samples: int = 1, likelihood="bernoulli", groups: int = 1, **kwargs):
        super().__init__(samples, likelihood, **kwargs)
        self.groups = groups

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that the layer reports."""
        return ("reconstruction", *map(of_group, ["kl"] * self.groups, range(self.groups)))

    def call(self, inputs, training=False) -> Tensor:
        x, parameters, *rest = inputs
        log_ratios = [self.by_example(rows) for rows in rest[: self.groups]]
        log_likelihood = self.log_likelihood(x, parameters, training)
        for name, term in zip(self.term_names, [-log_likelihood, *log_ratios], strict=True):
            self.report(name, ops.mean(term, axis=1))
        log_weights = log_likelihood - sum(log_ratios)
        loss = math.log(self.samples) - ops.logsumexp(log_weights, axis=1)
        if len(rest) > self.groups:
            loss = loss + self._weight_gradient(log_weights, rest[-1])
        self.add_to_loss(average(loss))
        return self.likelihood.mean(parameters[:: self.samples])

    def _weight_gradient(self, log_weights, carrier):
        """Returns zeros, whose gradients are the normalised weights for `WeightedPath`."""
        log_total = ops.logsumexp(log_weights, axis=1, keepdims=True)
        weights = ops.stop_gradient(ops.exp(log_weights - log_total))
        weight, one = (self.by_example(carrier[:, i]) for i in range(2))
        return ops.sum(weights * weight + one, axis=1)

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[0]

    def get_config(self) -> dict:
        return {**super().get_config(), "groups": self.groups}


@ops.custom_gradient
def _weigh(both):
    def gradient(*args, upstream=None):
        upstream = args[-1] if upstream is None else upstream
        weight, one = upstream[:, -2:-1], upstream[:, -1:]
        known = ops.not_equal(one, 0.0)  # False for an example of weight 0
        weight = ops.where(known, weight / ops.where(known, one, 1.0), 0.0)
        return ops.concatenate([upstream[:, :-2] * weight, ops.zeros_like(upstream[:, -2:])], -1)

    return both * 1.0, gradient


@register
class WeightedPath(Float32Layer):
    """The identity on z, whose gradient is multiplied by the sample's normalised weight.

    The weight is computed in the loss, after the decoder, and returns as a gradient: that of
    the carrier, two columns of zeros, is the weight times c, and c, where c is the factor by which
    the loss is scaled. Their ratio multiplies the gradient of z.

    Call arguments:
        inputs: z, a tensor of shape `(rows, latent_dim)`.

    Returns:
        `[z, carrier]`, the carrier of shape `(rows, 2)`: for `ImportanceWeightedLoss`.
    """

    def call(self, inputs) -> list[Tensor]:
        size = inputs.shape[-1]
        zero = ops.zeros_like(inputs[:, :1])
        both = _weigh(ops.concatenate([inputs, zero, zero], axis=-1))
        return [both[:, :size], both[:, size:]]

    def compute_output_shape(self, input_shape) -> list[tuple]:
        return [input_shape, (input_shape[0], 2)]
