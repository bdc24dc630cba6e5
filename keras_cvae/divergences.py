r"""Log-densities of diagonal normals and the KL divergences between them, in nats.

Every function takes tensors of shape `(..., latent_dim)` and, but for `normal_kl_by_dimension`,
sums over the last axis and returns shape `(...)`. Variances are passed as logarithms.
Log-variances are clipped to at most 60 (and at least -60 where their reciprocal is needed), so that
sums of their `exp` over dimensions and examples stay finite in float32.
"""

from __future__ import annotations

import math

from keras import ops

from keras_cvae.types import Tensor

LOG_2_PI = math.log(2.0 * math.pi)
LOG_VAR_LIMIT = 60.0


def normal_log_prob(z, mean=0.0, log_var=0.0) -> Tensor:
    r"""Computes the log-density of a diagonal normal, log N(z; mean, exp(log_var)).

    Args:
        z: Tensor of shape `(..., latent_dim)`.
        mean: Tensor that broadcasts against `z`.
        log_var: Tensor that broadcasts against `z`: the logarithm of the variance.

    Returns:
        Tensor of shape `(...)`, in nats.
    """
    log_var = ops.clip(ops.convert_to_tensor(log_var), -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
    squared = ops.square(ops.subtract(z, mean)) * ops.exp(-log_var)
    return -0.5 * ops.sum(LOG_2_PI + log_var + squared, axis=-1)


def normal_kl(mean, log_var, prior_mean=0.0, prior_log_var=0.0) -> Tensor:
    r"""Computes the KL divergence between two diagonal normals in closed form.

    KL(q || p) = 1/2 sum [ v_q / v_p + (m_q - m_p)^2 / v_p - 1 - log(v_q / v_p) ]

    Args:
        mean: Mean of q, of shape `(..., latent_dim)`.
        log_var: Log-variance of q, of the same shape.
        prior_mean: Mean of p; a standard normal by default.
        prior_log_var: Log-variance of p.

    Returns:
        Tensor of shape `(...)`, in nats.

    Reference:
        [Kingma and Welling, 2014, appendix B](https://arxiv.org/abs/1312.6114).
    """
    return ops.sum(normal_kl_by_dimension(mean, log_var, prior_mean, prior_log_var), axis=-1)


def normal_kl_by_dimension(mean, log_var, prior_mean=0.0, prior_log_var=0.0) -> Tensor:
    r"""Computes the contribution of each dimension to `normal_kl`.

    Args:
        mean: Mean of q, of shape `(..., latent_dim)`.
        log_var: Log-variance of q, of the same shape.
        prior_mean: Mean of p; a standard normal by default.
        prior_log_var: Log-variance of p.

    Returns:
        Tensor of shape `(..., latent_dim)`, in nats.
    """
    prior_log_var = ops.clip(ops.convert_to_tensor(prior_log_var), -LOG_VAR_LIMIT, LOG_VAR_LIMIT)
    log_ratio = ops.minimum(ops.subtract(log_var, prior_log_var), LOG_VAR_LIMIT)
    distance = ops.square(ops.subtract(mean, prior_mean)) * ops.exp(-prior_log_var)
    return 0.5 * (ops.expm1(log_ratio) - log_ratio + distance)


def monte_carlo_kl(z, mean, log_var, prior_mean=0.0, prior_log_var=0.0) -> Tensor:
    r"""Estimates the KL divergence from one sample, as log q(z) - log p(z).

    Its expectation over z ~ q is `normal_kl`; a single value may be negative.

    Args:
        z: A sample of q, of shape `(..., latent_dim)`.
        mean: Mean of q, of the same shape.
        log_var: Log-variance of q, of the same shape.
        prior_mean: Mean of p; a standard normal by default.
        prior_log_var: Log-variance of p.

    Returns:
        Tensor of shape `(...)`, in nats.
    """
    return normal_log_prob(z, mean, log_var) - normal_log_prob(z, prior_mean, prior_log_var)
