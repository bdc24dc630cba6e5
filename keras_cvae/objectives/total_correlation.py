r"""The total correlation of the latents, their distance from independence.

    TC = KL(q(z) || \prod_d q(z_d)) = E_q(z) log q(z) - \sum_d log q(z_d)

q(z) = 1/N \sum_n q(z | x_n, y_n) is the posterior averaged over all N examples.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, divergences, layers
from keras_cvae.objectives.base import OneGroup
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class TotalCorrelationLoss(layers.Divergence):
    r"""Loss layer: adds KL + (beta - 1) * TC, averaged over the batch, in nats.

    Args:
        beta: Weight of the total correlation within the KL divergence.
        dataset_size: The number N of training examples; by default that of the arrays of `fit`,
            and before `fit` that of the batch.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: `[z_mean, z_log_var, z]`, tensors of shape `(batch, ...)`, the latents of which are
            all axes but the first.
        y: The condition, of shape `(batch, width)`, if the prior depends on it.

    Returns:
        The inputs, unchanged.

    Raises:
        ValueError: If an argument is not one of the above; in `fit`, if `dataset_size` is None and
            the data are a stream.
    """

    compares_examples = True
    needs_sample = True

    def __init__(
        self,
        beta: float = 6.0,
        dataset_size: int | None = None,
        prior="standard_normal",
        **kwargs,
    ):
        super().__init__(prior, **kwargs)
        self.beta = checks.number("beta", beta, least=0)
        self.dataset_size = _size(dataset_size)
        self.count = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(self.dataset_size or 0),
            trainable=False,
            dtype="float32",
            name="count",
        )

    @property
    def term_names(self) -> tuple[str, ...]:
        return (self.name, "total_correlation")

    def on_fit_begin(self, examples, steps, epochs) -> None:
        if self.dataset_size is None:
            if examples is None:
                raise checks.ArgumentError(
                    "dataset_size",
                    "must be the number of training examples if the data of `fit` is a stream",
                    "None",
                )
            self.count.assign(examples)

    def call(self, inputs, y=None) -> list[Tensor]:
        self.add_term(self.kl(inputs, y))
        count = ops.convert_to_tensor(self.count)
        mean, log_var, z = map(layers.flat, inputs)
        correlation = total_correlation(mean, log_var, z, count)
        self.add_to_loss((self.beta - 1.0) * self.report("total_correlation", correlation))
        return inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "beta": self.beta, "dataset_size": self.dataset_size}


def total_correlation(mean, log_var, z, count) -> Tensor:
    r"""Estimates log q(z) - \sum_d log q(z_d) at the sample of each example of a batch.

    Args:
        mean: As for `log_of_all`.
        log_var: As for `log_of_all`.
        z: As for `log_of_all`.
        count: As for `log_of_all`.

    Returns:
        Tensor of shape `(batch,)`, in nats.
    """
    joint, of_dimensions = log_of_all(mean, log_var, z, count)
    return joint - ops.sum(of_dimensions, axis=-1)


def log_of_all(mean, log_var, z, count) -> tuple[Tensor, Tensor]:
    r"""Estimates log q(z), and log q(z_d) of each dimension, at the samples of a batch.

    q(z_i) is estimated by 1/N q(z_i | x_i) + (N - 1)/N times the mean of q(z_i | x_j) over the
    other examples of the batch; q(z_id) likewise. The estimate is unbiased over the choice of the
    others, and exact if the batch is all N examples; otherwise its logarithm is too small, by less
    for larger batches. It is the minibatch stratified sampling of Chen et al., averaged over the
    choice of the one example that has a separate weight there.

    Args:
        mean: Means of q(z | x_i), of shape `(batch, latent_dim)`.
        log_var: Log-variances, of the same shape.
        z: A sample of each, of the same shape.
        count: The number N of examples, a scalar tensor; at least that of the batch is used.

    Returns:
        Tensors of shape `(batch,)` and `(batch, latent_dim)`, in nats.
    """
    size = ops.shape(z)[0]
    batch = ops.cast(size, "float32")
    share = 1.0 / ops.maximum(count, batch)
    own = ops.where(batch > 1.0, share, 1.0)  # in a batch of one there are no others
    other = (1.0 - share) / ops.maximum(batch - 1.0, 1.0)
    diagonal = ops.eye(size, dtype="float32")
    log_weight = ops.log(own * diagonal + other * (1.0 - diagonal))

    log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)  # as it was sampled
    posteriors = [ops.expand_dims(ops.expand_dims(part, 0), -1) for part in (mean, log_var)]
    samples = ops.expand_dims(ops.expand_dims(z, 1), -1)
    log_q = divergences.normal_log_prob(samples, *posteriors)  # (sample, posterior, dimension)
    joint = ops.logsumexp(log_weight + ops.sum(log_q, axis=-1), axis=1)
    return joint, ops.logsumexp(ops.expand_dims(log_weight, -1) + log_q, axis=1)


@keras.saving.register_keras_serializable("keras_cvae")
class TotalCorrelation(OneGroup):
    r"""-log p(x | z, y) + KL(q(z | x, y) || p(z | y)) + (beta - 1) TC: the beta-TCVAE.

    The KL divergence, averaged over the data, is the sum of the information of z on x, the total
    correlation TC of the dimensions of z, and their distances from the prior; TC has the weight
    beta, the others 1. TC is estimated from each batch by minibatch stratified sampling (see
    `log_of_all`), which compares every example with every other: memory grows as
    batch^2 * latent_dim, and estimates are better for larger batches. It is reported, in nats, as
    `total_correlation`; `elbo` does not depend on beta. In a conditional model q(z) is averaged
    over all labels. An example's weight multiplies its own term, not its part in q(z).

    Args:
        beta: Weight of the total correlation; 1 makes the loss minus the ELBO.
        dataset_size: The number of training examples; by default that of the arrays of `fit`.

    Raises:
        ValueError: If an argument is not one of the above; in `build_cvae`, if there are several
            groups of latents; in `fit`, if `dataset_size` is None and the data is a stream.

    Reference:
        [Chen et al., 2018](https://arxiv.org/abs/1802.04942), sections 4.1 and C.2.
    """

    def __init__(self, beta: float = 6.0, dataset_size: int | None = None):
        self.beta = checks.number("beta", beta, least=0)
        self.dataset_size = _size(dataset_size)

    def divergence(self, group, name) -> layers.Divergence:
        return TotalCorrelationLoss(self.beta, self.dataset_size, group.prior, name=name)


def _size(dataset_size):
    if dataset_size is None:
        return None
    return checks.integer("dataset_size", dataset_size, least=1)
