"""A mixture of normals as a prior, learned with the model or fitted to its encodings."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, divergences, portable
from keras_cvae.priors import fitting
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor

COVARIANCES = {"diag": False, "full": True}
LIMIT = divergences.LOG_VAR_LIMIT / 2  # limit of the logarithm of a standard deviation
TAIL = 2.0**-22  # least distance from 0 and 1 of a uniform number that is converted to a normal one


@keras.saving.register_keras_serializable("keras_cvae")
class Mixture(Prior):
    r"""A mixture of normals, p(z | y) = \sum_k w_k N(z; m_k, (W_k^T W_k)^-1).

    The logits of the weights w, the means m and the whitening matrices W are linear in y. For
    classes they are tables, with a row for each class and one for an unknown y, all zeros. W is
    lower triangular, and the logarithms of its diagonal are learned: eps = W (z - m) is from
    N(0, I).

    Noise is converted to latents without another random number. The normal distribution function
    of its first entry is a uniform number, and the interval [0, 1] is divided among the components,
    with width w_k: the interval that contains the number chooses the component. Its position in the
    interval is uniform again, and the normal quantile of that is the first entry of eps. From
    latents to noise, the component is the most probable one for them.

    Args:
        components: The number of normals; `fit` gives no weight to those that are not needed.
        conditional: Whether the prior depends on y.
        covariance: `"diag"` or `"full"`.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Dilokthanakul et al., 2016](https://arxiv.org/abs/1611.02648), for a mixture as a prior.
    """

    def __init__(
        self,
        components: int = 10,
        conditional: bool = False,
        covariance: str = "diag",
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.components = checks.integer("components", components, least=1)
        self.conditional = checks.boolean("conditional", conditional)
        self.is_full = checks.look_up("covariance", covariance, COVARIANCES)
        self.covariance = covariance

    @classmethod
    def to_fit(cls, conditional) -> Mixture:
        return cls(conditional=conditional, covariance="full")

    def build(self, z_shape, y_shape=None) -> None:
        if self.conditional and y_shape is None:
            raise checks.ArgumentError("prior", "must be used with a condition", "no y")
        size = z_shape[-1]
        table = (1 + (y_shape[-1] if self.conditional else 0), self.components)
        whitening = (size, size) if self.is_full else (size,)
        options = {"dtype": "float32", "initializer": "zeros"}
        self.logits = self.add_weight(shape=table, name="logits", **options)
        self.means = self.add_weight(
            shape=(*table, size), initializer=_random_means, dtype="float32", name="means"
        )
        self.whitening = self.add_weight(shape=(*table, *whitening), name="whitening", **options)
        self.built = True

    def log_prob(self, z, y=None) -> Tensor:
        log_joint, _, _ = self._of_components(z, y)
        return ops.logsumexp(log_joint, axis=-1)

    def noise(self, z, y=None) -> Tensor:
        log_joint, eps, logits = self._of_components(z, y)
        chosen = portable.one_hot_of_greatest(log_joint)
        return noise_of(chosen, ops.sum(ops.expand_dims(chosen, -1) * eps, axis=-2), logits)

    def _of_components(self, z, y):
        """Returns log p(k, z | y) and eps of each component k.

        Returns:
            `(log_joint, eps, logits)`, of shape `(..., K)`, `(..., K, n)` and `(rows, K)`.
        """
        rows = self._with_one(y)
        logits, means, whitening = (
            _of_rows(rows, table) for table in (self.logits, self.means, self.whitening)
        )
        factor, log_diagonal = self._factor(whitening)
        eps = self._product(factor, ops.expand_dims(z, -2) - means)
        log_density = ops.sum(log_diagonal - 0.5 * (divergences.LOG_2_PI + ops.square(eps)), -1)
        return ops.log_softmax(logits) + log_density, eps, logits

    def transport(self, noise, y=None) -> Tensor:
        return self.tempered(noise, 1.0, y)

    def tempered(self, noise, temperature, y=None) -> Tensor:
        """Converts noise to latents; the temperature scales the deviation from a component's mean.

        Args:
            noise: As for `transport`.
            temperature: As for `Prior.tempered`.
            y: As for `transport`.
        """
        rows = self._with_one(y)
        chosen, eps = choose(noise, _of_rows(rows, self.logits))
        chosen = ops.expand_dims(rows, 2) * ops.expand_dims(chosen, 1)
        chosen = ops.reshape(chosen, (-1, math.prod(self.logits.shape)))
        mean, whitening = (
            _of_rows(chosen, ops.reshape(table, (-1, *table.shape[2:])))
            for table in (self.means, self.whitening)
        )
        factor, _ = self._factor(whitening)
        return mean + self._solution(factor, temperature * eps)

    def fit(self, encodings, held_out=None, seed=0, verbose=0) -> dict:
        return fitting.mixture(self, encodings, held_out, seed)

    def _factor(self, whitening):
        """Returns W, or its diagonal, and the logarithms of its diagonal."""
        if not self.is_full:
            log_diagonal = ops.clip(whitening, -LIMIT, LIMIT)
            return ops.exp(log_diagonal), log_diagonal
        size = whitening.shape[-1]
        identity = ops.convert_to_tensor(np.eye(size, dtype="float32"))
        log_diagonal = ops.clip(ops.sum(whitening * identity, axis=-1), -LIMIT, LIMIT)
        diagonal = ops.expand_dims(ops.exp(log_diagonal), -1) * identity
        below = ops.convert_to_tensor(np.tril(np.ones((size, size), "float32"), k=-1))
        return whitening * below + diagonal, log_diagonal

    def _product(self, factor, vector):
        if not self.is_full:
            return factor * vector
        return ops.squeeze(ops.matmul(factor, ops.expand_dims(vector, -1)), -1)

    def _solution(self, factor, vector):
        if not self.is_full:
            return vector / factor
        return _solve_lower(factor, vector)

    def get_config(self) -> dict:
        config = {
            "components": self.components,
            "conditional": self.conditional,
            "covariance": self.covariance,
        }
        return {**super().get_config(), **config}


def choose(noise, logits) -> tuple[Tensor, Tensor]:
    """Chooses a component of a mixture by noise, without another random number.

    Args:
        noise: Tensor of shape `(rows, latent_dim)`, samples of N(0, I).
        logits: Logits of the weights of K components, of shape `(rows, K)` or `(1, K)`.

    Returns:
        `(chosen, eps)`: the component, one-hot of shape `(rows, K)`, and samples of N(0, I), of the
        shape of `noise`, that are independent of the component.
    """
    components = logits.shape[-1]
    if components == 1:
        return ops.ones_like(noise[:, :1]), noise
    uniform = portable.normal_cdf(noise[:, :1])
    width = ops.softmax(logits)
    below = ops.cumsum(width, axis=-1) - width
    index = ops.sum(ops.cast(uniform >= below, "int32"), axis=-1) - 1
    chosen = ops.one_hot(index, components, dtype="float32")
    width, below = (ops.sum(chosen * each, -1, keepdims=True) for each in (width, below))
    within = ops.clip((uniform - below) / width, TAIL, 1.0 - TAIL)
    first = portable.normal_quantile(within)
    return chosen, ops.concatenate([first, noise[:, 1:]], axis=-1)


def noise_of(chosen, eps, logits) -> Tensor:
    """Returns the noise for which `choose` returns a component and eps: its inverse.

    Args:
        chosen: The component, one-hot of shape `(rows, K)`.
        eps: Tensor of shape `(rows, latent_dim)`.
        logits: As for `choose`.

    Returns:
        Tensor of the shape of `eps`.
    """
    if logits.shape[-1] == 1:
        return eps
    width = ops.softmax(logits)
    below = ops.cumsum(width, axis=-1) - width
    width, below = (ops.sum(chosen * each, -1, keepdims=True) for each in (width, below))
    within = portable.normal_cdf(eps[:, :1])
    uniform = ops.clip(below + width * within, TAIL, 1.0 - TAIL)
    first = portable.normal_quantile(uniform)
    return ops.concatenate([first, eps[:, 1:]], axis=-1)


def _solve_lower(factor, vector):
    """Solves factor x = vector by forward substitution in halves, by operations of ONNX.

    Args:
        factor: Lower triangular matrices, of shape `(rows, n, n)`.
        vector: Tensor of shape `(rows, n)`.

    Returns:
        Tensor of shape `(rows, n)`.
    """
    size = vector.shape[-1]
    if size == 1:
        return vector / factor[:, 0]
    half = size // 2
    first = _solve_lower(factor[:, :half, :half], vector[:, :half])
    product = ops.squeeze(ops.matmul(factor[:, half:, :half], ops.expand_dims(first, -1)), -1)
    second = _solve_lower(factor[:, half:, half:], vector[:, half:] - product)
    return ops.concatenate([first, second], axis=-1)


def _random_means(shape, dtype=None):
    """Returns different means of the components, which do not depend on y at first."""
    first = keras.random.normal((1, *shape[1:]), stddev=0.5, dtype=dtype)
    return ops.concatenate([first, ops.zeros((shape[0] - 1, *shape[1:]), dtype=dtype)], axis=0)


def _of_rows(weights, table):
    """Sums of a table's entries: weights `(rows, n)`, table `(n, ...)` to `(rows, ...)`."""
    table = ops.convert_to_tensor(table)
    flat = ops.reshape(table, (table.shape[0], -1))
    return ops.reshape(ops.matmul(weights, flat), (-1, *table.shape[1:]))
