r"""The maximum mean discrepancy between the latents of a batch and samples of the prior.

    MMD^2(q, p) = E k(z, z') + E k(e, e') - 2 E k(z, e),   z, z' ~ q(z),   e, e' ~ p(z)

It is 0 if q(z), the posterior averaged over all examples, is the prior, and has no unit.
"""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, layers, noise
from keras_cvae.objectives.base import OneGroup
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class MMDLoss(layers.Divergence):
    r"""Loss layer: adds (1 - alpha) * KL + (alpha + lambda - 1) * MMD^2, averaged over the batch.

    Args:
        alpha: The share of the KL divergence that is left out, at most 1.
        lambda_: Weight of the distance of q(z) from the prior, at least 1 - alpha, in nats.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.
        seed: Optional integer seed of the samples of the prior.

    Call arguments:
        inputs: `[z_mean, z_log_var, z]`, tensors of shape `(batch, ...)`, the latents of which are
            all axes but the first.
        y: The condition, of shape `(batch, width)`, if the prior depends on it; the prior is
            then sampled with the y of the batch.

    Returns:
        The inputs, unchanged.

    Raises:
        ValueError: If an argument is not one of the above.
    """

    compares_examples = True
    needs_sample = True
    units = {"mmd": "squared distance"}

    def __init__(
        self,
        alpha: float = 0.5,
        lambda_: float = 100.0,
        prior="standard_normal",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(prior, **kwargs)
        self.alpha, self.lambda_ = _weights(alpha, lambda_)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @property
    def term_names(self) -> tuple[str, ...]:
        return (self.name, "mmd")

    def call(self, inputs, y=None) -> list[Tensor]:
        self.add_term(self.kl(inputs, y), 1.0 - self.alpha)
        z = layers.flat(inputs[2])
        samples = self.prior.transport(noise.normal(ops.shape(z), self.seed_generator), y)
        mmd = self.report("mmd", squared_mmd(z, samples))
        self.add_to_loss((self.alpha + self.lambda_ - 1.0) * mmd)
        return inputs

    def get_config(self) -> dict:
        config = {"alpha": self.alpha, "lambda_": self.lambda_, "seed": self.seed}
        return {**super().get_config(), **config}


def kernel(a, b) -> Tensor:
    """Returns the inverse multiquadric kernel, c / (c + |a - b|^2) with c = 2 latent_dim.

    c is the mean of |a - b|^2 between two samples of N(0, I). The tails are heavy, so that latents
    far from all others still have a gradient.

    Args:
        a: Tensor of shape `(rows, latent_dim)`.
        b: Tensor of shape `(columns, latent_dim)`.

    Returns:
        Tensor of shape `(rows, columns)`, of numbers in (0, 1].
    """
    scale = 2.0 * a.shape[-1]
    distance = ops.sum(ops.square(ops.expand_dims(a, 1) - ops.expand_dims(b, 0)), axis=-1)
    return scale / (scale + distance)


def squared_mmd(z, samples) -> Tensor:
    r"""Returns a term of each example whose mean is an unbiased estimate of MMD^2.

    1/(B - 1) \sum_{j != i} k(z_i, z_j) + k(e_i, e_j) - k(z_i, e_j) - k(e_i, z_j)

    The estimate may be negative; for a batch of one it is 0.

    Args:
        z: Samples of q(z), of shape `(B, latent_dim)`.
        samples: Samples e of p(z), of the same shape.

    Returns:
        Tensor of shape `(B,)`.

    Reference:
        [Gretton et al., 2012](https://jmlr.org/papers/v13/gretton12a.html), lemma 6.
    """
    across = kernel(z, samples)
    both = kernel(z, z) + kernel(samples, samples) - across - ops.transpose(across)
    others = ops.cast(ops.shape(z)[0] - 1, both.dtype)
    both = both * (1.0 - ops.eye(ops.shape(z)[0], dtype=both.dtype))
    return ops.sum(both, axis=1) / ops.maximum(others, 1.0)


@keras.saving.register_keras_serializable("keras_cvae")
class MMD(OneGroup):
    r"""-log p(x | z, y) + (1 - alpha) KL + (alpha + lambda - 1) MMD^2: the InfoVAE.

    KL is KL(q(z | x, y) || p(z | y)), and MMD the maximum mean discrepancy, with an inverse
    multiquadric kernel, between q(z), the posterior averaged over all examples, and the prior,
    estimated from each batch. With alpha = 1 the information of z on x is not penalised, only the
    distance of q(z) from the prior; alpha = 0 and lambda = 1 is minus the ELBO. MMD^2 is reported
    as `mmd`, without a unit; `elbo` does not depend on it. An example's weight multiplies its own
    term, not its part in the terms of others.

    The estimate from a batch of B has noise of about 1/B, which is multiplied by lambda. If that
    exceeds the other terms, as with lambda = 1000 and B = 64, z contains no information on x.

    Args:
        alpha: The share of the KL divergence that is left out, at most 1.
        lambda_: Weight of the distance of q(z) from the prior, at least 1 - alpha, in nats.

    Raises:
        ValueError: If an argument is not one of the above; in `build_cvae`, if there are several
            groups of latents.

    Reference:
        [Zhao et al., 2019](https://arxiv.org/abs/1706.02262); the kernel:
        [Tolstikhin et al., 2018](https://arxiv.org/abs/1711.01558).
    """

    def __init__(self, alpha: float = 0.5, lambda_: float = 100.0):
        self.alpha, self.lambda_ = _weights(alpha, lambda_)

    def divergence(self, group, name) -> layers.Divergence:
        return MMDLoss(self.alpha, self.lambda_, group.prior, name=name)


def _weights(alpha, lambda_):
    alpha = checks.number("alpha", alpha, most=1)
    return alpha, checks.number("lambda_", lambda_, least=1.0 - alpha)
