"""A prior that is N(0, I), bent by couplings that are splines."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.priors import fitting
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor

BOUND = 4.0  # of the interval that splines bend, in standard deviations
LEAST = 1e-3  # width and height of a bin, as a share of the interval, and slope of a knot


@keras.saving.register_keras_serializable("keras_cvae")
class SplineFlow(Prior):
    r"""A normalising flow of rational-quadratic splines.

    Latents are whitened, W_y (z - m_y), and go through couplings: each leaves half of the latents
    as they are, and bends every one of the others by an increasing function of its own, which a
    dense network of the first half and of y gives. The function is a spline on [-4, 4], a ratio of
    quadratics in each of its bins, and the identity outside. The halves are other ones in each
    coupling. Both directions are closed forms, so that

    log p(z | y) = log N(eps; 0, I) + log |det d eps / d z|,    eps = f(W_y (z - m_y); y)

    is exact. It starts as N(0, I), with W = I. `fit` sets m_y and W_y to whiten the encodings of
    each class, W_y being the symmetric root of their inverse covariance, which moves them least:
    the flow then starts from a normal for each class.

    Args:
        couplings: How many couplings.
        hidden_units: Units of each hidden layer of a coupling's network.
        bins: How many bins a spline has.
        activation: Activation of the hidden layers.
        conditional: Whether the flow depends on y.

    Raises:
        ValueError: If an argument is not one of the above; and where it is built, for a single
            latent, which has no halves.

    Reference:
        [Durkan et al., 2019](https://arxiv.org/abs/1906.04032).
    """

    def __init__(
        self,
        couplings: int = 6,
        hidden_units: Sequence[int] = (128, 128),
        bins: int = 8,
        activation="relu",
        conditional: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.couplings = checks.integer("couplings", couplings, least=1)
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.bins = checks.integer("bins", bins, least=2)
        self.activation = keras.activations.get(activation)
        self.conditional = bool(conditional)
        self.networks = []

    def build(self, z_shape, y_shape=None):
        size = z_shape[-1]
        if self.conditional and y_shape is None:
            raise checks.ArgumentError("prior", "must depend on a condition that is there", "no y")
        checks.require(size > 1, "latent_dim", "of a flow must be an integer of at least 2", size)
        width = y_shape[-1] if self.conditional else 0
        rows, options = 1 + width, {"dtype": "float32"}
        self.means = self.add_weight((rows, size), "zeros", name="means", **options)
        # Of each row of [1, y]: W and its inverse, and log |det W|.
        options["trainable"] = False
        shape = rows, size, size
        self.whitening = self.add_weight(shape, _identity_of_all, name="whitening", **options)
        self.colouring = self.add_weight(shape, _identity_of_all, name="colouring", **options)
        self.log_dets = self.add_weight((rows, 1), "zeros", name="log_dets", **options)
        kept = size // 2
        self.orders = [_order(index, size) for index in range(self.couplings)]
        for _ in range(self.couplings):
            self.networks.append(self._network(kept + width, size - kept))
        self.built = True

    def _network(self, width, moved):
        options = {"activation": self.activation, "dtype": "float32"}
        layers = [keras.layers.Dense(units, **options) for units in self.hidden_units]
        last = {"kernel_initializer": "zeros", "dtype": "float32"}
        layers.append(keras.layers.Dense((3 * self.bins - 1) * moved, **last))
        for layer in layers:
            layer.build((None, width))
            width = layer.units
        return layers

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        r"""The noise that becomes `z`, and the log-determinant of the Jacobian on the way.

        Args:
            z: Tensor of shape `(..., latent_dim)`.
            y: Tensor of shape `(..., width)`, where the prior is conditional.

        Returns:
            `(noise, log_det)`: log |det d noise / d z|, of shape `(...)`, in nats.
        """
        known = self._known(y)
        centred = z - ops.matmul(known, ops.convert_to_tensor(self.means))
        x = _product(known, self.whitening, centred)
        log_det = ops.matmul(known, ops.convert_to_tensor(self.log_dets))[..., 0]
        log_det = log_det + ops.zeros_like(x[..., 0])
        for index in reversed(range(self.couplings)):
            kept, moved = self._halves(index, x)
            moved, log_slope = bend(moved, *self._knots(index, kept, y))
            x = self._joined(index, kept, moved)
            log_det = log_det + ops.sum(log_slope, axis=-1)
        return x, log_det

    def log_prob(self, z, y=None) -> Tensor:
        noise, log_det = self.inverse(z, y)
        return divergences.normal_log_prob(noise) + log_det

    def noise(self, z, y=None) -> Tensor:
        return self.inverse(z, y)[0]

    def transport(self, noise, y=None) -> Tensor:
        x = noise
        for index in range(self.couplings):
            kept, moved = self._halves(index, x)
            x = self._joined(index, kept, unbend(moved, *self._knots(index, kept, y)))
        known = self._known(y)
        mean = ops.matmul(known, ops.convert_to_tensor(self.means))
        return mean + _product(known, self.colouring, x)

    def fit(self, encodings, held_out=None, seed=0, verbose=0) -> dict:
        for weight, values in zip(
            (self.means, self.whitening, self.colouring, self.log_dets),
            _whitening(encodings, self.conditional),
            strict=True,
        ):
            weight.assign(values)
        return fitting.by_gradients(self, encodings, held_out, seed, verbose)

    def _known(self, y):
        """Y with a 1 before it; a 1 alone where the flow does not depend on y."""
        if not self.conditional:
            return ops.ones((1, 1))
        y = ops.cast(y, "float32")
        return ops.concatenate([ops.ones_like(y[..., :1]), y], axis=-1)

    def _halves(self, index, x):
        order, kept = self.orders[index], x.shape[-1] // 2
        x = ops.take(x, order, axis=-1)
        return x[..., :kept], x[..., kept:]

    def _joined(self, index, kept, moved):
        x = ops.concatenate([kept, moved], axis=-1)
        return ops.take(x, np.argsort(self.orders[index]), axis=-1)

    def _knots(self, index, kept, y):
        """Widths, heights and slopes of the splines that a coupling bends its latents by."""
        x = ops.concatenate([kept, ops.cast(y, kept.dtype)], axis=-1) if self.conditional else kept
        for layer in self.networks[index]:
            x = layer(x)
        shape = (*ops.shape(x)[:-1], -1, 3 * self.bins - 1)
        widths, heights, slopes = ops.split(
            ops.reshape(x, shape), [self.bins, 2 * self.bins], axis=-1
        )
        return _shares(widths), _shares(heights), LEAST + ops.softplus(slopes + SLOPE_OF_ONE)

    def get_config(self):
        config = {
            "couplings": self.couplings,
            "hidden_units": self.hidden_units,
            "bins": self.bins,
            "activation": keras.activations.serialize(self.activation),
            "conditional": self.conditional,
        }
        return {**super().get_config(), **config}


SLOPE_OF_ONE = math.log(math.expm1(1.0 - LEAST))


def bend(x, widths, heights, slopes) -> tuple[Tensor, Tensor]:
    r"""An increasing spline of rational quadratics, and the logarithm of its slope.

    In a bin from (x_k, y_k) to (x_{k+1}, y_{k+1}), of slope s = h / w, with t = (x - x_k) / w:

    f(x) = y_k + h (s t^2 + d_k t (1 - t)) / (s + (d_{k+1} + d_k - 2 s) t (1 - t))

    Args:
        x: Tensor of shape `(...)`.
        widths: Of the bins, of shape `(..., bins)`; they add up to 2 `BOUND`, as do the heights.
        heights: Of the bins, of the same shape.
        slopes: d_k at the knots between the bins, of shape `(..., bins - 1)`; 1 at the ends.

    Returns:
        `(f(x), log f'(x))`, tensors of the shape of `x`: x and 0 outside of [-BOUND, BOUND].
    """
    within = ops.clip(x, -BOUND, BOUND)
    start, low, w, h, d, d_next = _bin(within, widths, heights, slopes, by=widths)
    s, t = h / w, ops.clip((within - start) / w, 0.0, 1.0)
    both = t * (1.0 - t)
    denominator = s + (d_next + d - 2.0 * s) * both
    value = low + h * (s * t * t + d * both) / denominator
    slope = d_next * t * t + 2.0 * s * both + d * ops.square(1.0 - t)
    log_slope = 2.0 * ops.log(s) + ops.log(slope) - 2.0 * ops.log(denominator)
    is_inside = ops.abs(x) < BOUND
    return ops.where(is_inside, value, x), ops.where(is_inside, log_slope, 0.0)


def unbend(y, widths, heights, slopes) -> Tensor:
    """The inverse of `bend`: a root of a quadratic in each bin.

    Args:
        y: Tensor of shape `(...)`.
        widths: As for `bend`.
        heights: As for `bend`.
        slopes: As for `bend`.

    Returns:
        Tensor of the shape of `y`.
    """
    within = ops.clip(y, -BOUND, BOUND)
    start, low, w, h, d, d_next = _bin(within, widths, heights, slopes, by=heights)
    s, above = h / w, within - low
    curve = above * (d_next + d - 2.0 * s)
    a, b, c = h * (s - d) + curve, h * d - curve, -s * above
    root = ops.sqrt(ops.maximum(b * b - 4.0 * a * c, 0.0))
    t = ops.clip(-2.0 * c / ops.maximum(b + root, 1e-12), 0.0, 1.0)
    return ops.where(ops.abs(y) < BOUND, start + t * w, y)


def _bin(value, widths, heights, slopes, by):
    """Where the bin that a value falls in begins, across and up, its sizes, and both slopes."""
    ends = ops.cumsum(by, axis=-1) - BOUND
    is_above = ops.cast(ops.expand_dims(value, -1) >= ends[..., :-1], "float32")
    ones = ops.ones_like(is_above[..., :1])
    # One-hot: the bins that begin below the value, without those that end below it.
    chosen = ops.concatenate([ones, is_above], -1) - ops.concatenate([is_above, 0.0 * ones], -1)
    slopes = ops.concatenate([ones, slopes, ones], axis=-1)
    of_bins = [
        ops.cumsum(widths, axis=-1) - widths - BOUND,
        ops.cumsum(heights, axis=-1) - heights - BOUND,
        widths,
        heights,
        slopes[..., :-1],
        slopes[..., 1:],
    ]
    return [ops.sum(chosen * values, axis=-1) for values in of_bins]


def _shares(logits):
    """Shares of the interval, none of them next to nothing, of shape `(..., bins)`."""
    bins = logits.shape[-1]
    return 2.0 * BOUND * (LEAST + (1.0 - LEAST * bins) * ops.softmax(logits))


def _order(index, size):
    """The order of the latents of a coupling: the first half is kept."""
    order = np.random.default_rng(index // 2).permutation(size).astype("int32")
    return order if index % 2 == 0 else order[::-1].copy()


def _product(known, tables, vector):
    """Matrices that are linear in [1, y], times vectors of shape `(..., n)`."""
    rows, size, _ = tables.shape
    flat = ops.matmul(known, ops.reshape(ops.convert_to_tensor(tables), (rows, size * size)))
    matrix = ops.reshape(flat, (*ops.shape(flat)[:-1], size, size))
    return ops.squeeze(ops.matmul(matrix, ops.expand_dims(vector, -1)), -1)


def _identity_of_all(shape, dtype=None):
    """The identity in the first row, to which y adds nothing."""
    table = np.zeros(shape, "float32")
    table[0] = np.eye(shape[-1])
    return ops.convert_to_tensor(table)


def _whitening(encodings, conditional):
    """What whitens the encodings: means, matrices, their inverses, and log-determinants.

    Of one-hot y each class has its own; the covariance of a class with few examples is shrunk to
    that within all classes. Of any other y the mean is linear in it, and the matrix one for all.
    """
    z_mean, z_log_var, y = encodings
    size = z_mean.shape[1]
    variance = np.exp(np.minimum(z_log_var, divergences.LOG_VAR_LIMIT))
    is_table = conditional and fitting.is_one_hot(y)
    known = np.ones((len(z_mean), 1)) if not conditional else np.insert(y, 0, 1, axis=1)
    means, *_ = np.linalg.lstsq(known, z_mean, rcond=None)
    left = z_mean - known @ means
    within = left.T @ left / len(left) + np.diag(variance.mean(0)) + 1e-6 * np.eye(size)
    of_rows = [_roots(within)] * known.shape[1]
    if is_table:
        for row in range(1, known.shape[1]):
            rows = y[:, row - 1] > 0
            count, part = rows.sum(), left[rows]
            own = part.T @ part + np.diag(variance[rows].sum(0))
            of_rows[row] = _roots((own + size * within) / (count + size))
        unknown = ~y.any(1)
        rows = unknown if unknown.any() else slice(None)
        centre = z_mean[rows].mean(0)
        part = z_mean[rows] - centre
        spread = part.T @ part / len(part) + np.diag(variance[rows].mean(0)) + 1e-6 * np.eye(size)
        of_rows[0] = _roots(spread)
        means[1:] += means[0] - centre
        means[0] = centre
    tables = [np.stack(values).astype("float32") for values in zip(*of_rows, strict=True)]
    for table in tables:
        table[1:] -= table[0]  # y adds to what an unknown y has
    return means, *tables


def _roots(covariance):
    """The symmetric root of its inverse, that root's inverse, and its log-determinant."""
    values, vectors = np.linalg.eigh(covariance)
    whitening, colouring = ((vectors * values**power) @ vectors.T for power in (-0.5, 0.5))
    return whitening, colouring, np.array([-0.5 * np.log(values).sum()])
