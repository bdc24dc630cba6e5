"""A prior that transforms N(0, I) by coupling layers of splines."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.priors import fitting, splines
from keras_cvae.priors.couplings import Couplings
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class SplineFlow(Couplings):
    r"""A normalising flow of rational-quadratic splines.

    Latents are whitened, W_y (z - m_y), and go through couplings. Each leaves half of the latents
    unchanged, and transforms each of the others by an increasing function, whose parameters are the
    output of a dense network of the first half and of y. The function is a spline on [-4, 4], a
    ratio of quadratics in each of its bins, and the identity outside. The halves differ between
    couplings. Both directions are closed forms, so that

    log p(z | y) = log N(eps; 0, I) + log |det d eps / d z|,    eps = f(W_y (z - m_y); y)

    is exact. It starts as N(0, I), with W = I. `fit` sets m_y and W_y to whiten the encodings of
    each class, so that the flow starts from a normal for each class. Of all such W_y it chooses
    those for which the latents of equal noise are at corresponding positions in every class: with
    S_y the covariance of a class and B the barycentre of all, W_y^-1 = T_y B^(1/2), where T_y is
    the optimal transport from N(0, B) to N(0, S_y). The couplings next to the noise do not depend
    on y, so that a change of the label, through the noise and back, uses the same functions there.
    Both preserve the style.

    Args:
        couplings: The number of couplings.
        hidden_units: Units of each hidden layer of a coupling's network.
        bins: The number of bins of a spline.
        activation: Activation of the hidden layers.
        conditional: Whether the flow depends on y.
        shared: Number of couplings next to the noise that are the same for every y; by default half
            of them. With fewer, the flow fits each class better; with more, a change of the label
            preserves more of the style.

    Raises:
        ValueError: If an argument is not one of the above; and in `build`, for a single latent,
            which has no halves.

    Reference:
        [Durkan et al., 2019](https://arxiv.org/abs/1906.04032); barycentres of normals:
        [Alvarez-Esteban et al., 2016](https://arxiv.org/abs/1511.05355).
    """

    def __init__(
        self,
        couplings: int = 6,
        hidden_units: Sequence[int] = (128, 128),
        bins: int = 8,
        activation="relu",
        conditional: bool = False,
        shared: int | None = None,
        **kwargs,
    ):
        super().__init__(couplings, hidden_units, activation, conditional, **kwargs)
        self.bins = checks.integer("bins", bins, least=2)
        self.shared = self.couplings // 2
        if shared is not None:
            self.shared = checks.integer("shared", shared, least=0, most=self.couplings)

    def build(self, z_shape, y_shape=None) -> None:
        size, width = self.sizes_of(z_shape, y_shape)
        rows = 1 + width
        self.means = self.add_weight((rows, size), "zeros", name="means", dtype="float32")
        # For each entry of [1, y]: W and its inverse, and log |det W|.
        options = {"dtype": "float32", "trainable": False}
        shape = rows, size, size
        self.whitening = self.add_weight(shape, _identity_of_all, name="whitening", **options)
        self.colouring = self.add_weight(shape, _identity_of_all, name="colouring", **options)
        self.log_dets = self.add_weight((rows, 1), "zeros", name="log_dets", **options)
        kept = size // 2
        self.orders = [_order(index, size) for index in range(self.couplings)]
        for index in range(self.couplings):
            inputs = kept + width if index >= self.shared else kept
            self.add_network(inputs, (3 * self.bins - 1) * (size - kept))
        self.built = True

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        rows = self._with_one(y)
        centred = z - ops.matmul(rows, ops.convert_to_tensor(self.means))
        x = _product(rows, self.whitening, centred)
        log_det = ops.matmul(rows, ops.convert_to_tensor(self.log_dets))[..., 0]
        log_det = log_det + ops.zeros_like(x[..., 0])
        for index in reversed(range(self.couplings)):
            kept, moved = self._halves(index, x)
            moved, log_slope = splines.bend(moved, *self._knots(index, kept, y))
            x = self._join(index, kept, moved)
            log_det = log_det + ops.sum(log_slope, axis=-1)
        return x, log_det

    def transport(self, noise, y=None) -> Tensor:
        x = noise
        for index in range(self.couplings):
            kept, moved = self._halves(index, x)
            x = self._join(index, kept, splines.unbend(moved, *self._knots(index, kept, y)))
        rows = self._with_one(y)
        mean = ops.matmul(rows, ops.convert_to_tensor(self.means))
        return mean + _product(rows, self.colouring, x)

    def fit(self, encodings, held_out=None, seed=0, verbose=0) -> dict:
        for weight, values in zip(
            (self.means, self.whitening, self.colouring, self.log_dets),
            _whitening(encodings, self.conditional),
            strict=True,
        ):
            weight.assign(values)
        return fitting.by_gradients(self, encodings, held_out, seed, verbose)

    def _halves(self, index, x):
        order, kept = self.orders[index], x.shape[-1] // 2
        x = _reorder(x, order)
        return x[..., :kept], x[..., kept:]

    def _join(self, index, kept, moved):
        x = ops.concatenate([kept, moved], axis=-1)
        return _reorder(x, np.argsort(self.orders[index]))

    def _knots(self, index, kept, y):
        """Returns widths, heights and slopes of the splines of a coupling."""
        is_own = self.conditional and index >= self.shared
        parameters = self.parameters(index, kept, y if is_own else None)
        shape = (*ops.shape(parameters)[:-1], -1, 3 * self.bins - 1)
        return splines.knots(ops.reshape(parameters, shape), self.bins)

    def get_config(self) -> dict:
        return {**super().get_config(), "bins": self.bins, "shared": self.shared}

    @classmethod
    def from_config(cls, config: dict) -> SplineFlow:
        """Creates a flow from its config; in older files all couplings depend on y."""
        return cls(**{"shared": 0, **config})


def _reorder(x, order):
    """The entries of the last axis in another order.

    The first axis is taken by: along others, `ops.take` of torch cannot be exported to ONNX.
    """
    last = len(x.shape) - 1
    return ops.moveaxis(ops.take(ops.moveaxis(x, last, 0), order, axis=0), 0, last)


def _order(index, size):
    """Returns the order of the latents of a coupling, which leaves the first half unchanged."""
    order = np.random.default_rng(index // 2).permutation(size).astype("int32")
    return order if index % 2 == 0 else order[::-1].copy()


def _product(rows, tables, vector):
    """Multiplies matrices that are linear in [1, y] by vectors of shape `(..., n)`."""
    count, size, _ = tables.shape
    flat = ops.matmul(rows, ops.reshape(ops.convert_to_tensor(tables), (count, size * size)))
    matrix = ops.reshape(flat, (*ops.shape(flat)[:-1], size, size))
    return ops.squeeze(ops.matmul(matrix, ops.expand_dims(vector, -1)), -1)


def _identity_of_all(shape, dtype=None):
    """Returns the identity in the first row and zeros in the others, so that y changes nothing."""
    table = np.zeros(shape, "float32")
    table[0] = np.eye(shape[-1])
    return ops.convert_to_tensor(table)


def _whitening(encodings, conditional):
    """Returns means, whitening matrices, their inverses and log-determinants for the encodings.

    With one-hot y, each class has its own; the covariance of a class with few examples is shrunk to
    that within all classes. With any other y, the mean is linear in it, and there is one matrix.
    """
    z_mean, z_log_var, y = encodings
    size = z_mean.shape[1]
    variance = np.exp(np.minimum(z_log_var, divergences.LOG_VAR_LIMIT))
    is_table = conditional and fitting.is_one_hot(y)
    with_one = np.ones((len(z_mean), 1)) if not conditional else np.insert(y, 0, 1, axis=1)
    means, *_ = np.linalg.lstsq(with_one, z_mean, rcond=None)
    residual = z_mean - with_one @ means
    within = _covariance(residual, variance)
    covariances = [within] * with_one.shape[1]
    if is_table:
        for row in range(1, with_one.shape[1]):
            rows = y[:, row - 1] > 0
            count = rows.sum()
            of_class = _covariance(residual[rows], variance[rows]) if count else within
            covariances[row] = (count * of_class + size * within) / (count + size)
        unknown = ~y.any(1)
        rows = unknown if unknown.any() else slice(None)
        centre = z_mean[rows].mean(0)
        covariances[0] = _covariance(z_mean[rows] - centre, variance[rows])
        means[1:] += means[0] - centre
        means[0] = centre
    frame = _barycentre(covariances[1:] if is_table else [within])
    tables = [_whiten(covariance, frame) for covariance in covariances]
    tables = [np.stack(values).astype("float32") for values in zip(*tables, strict=True)]
    for table in tables:
        table[1:] -= table[0]  # the rows of y are added to that of an unknown y
    return means, *tables


def _covariance(centred, variance):
    """Returns the covariance of samples of posteriors, from centred means and variances."""
    between = centred.T @ centred / len(centred)
    return between + np.diag(variance.mean(0)) + 1e-6 * np.eye(len(between))


def _root(covariance, power=0.5):
    """Returns the symmetric root of a positive definite matrix, or another power of it."""
    values, vectors = np.linalg.eigh(covariance)
    return (vectors * values**power) @ vectors.T


def _barycentre(covariances, steps=20):
    """Returns the barycentre B of covariances S_c in the Wasserstein distance of normals.

    B = B^(-1/2) (mean_c (B^(1/2) S_c B^(1/2))^(1/2))^2 B^(-1/2), by fixed-point iteration
    ([Alvarez-Esteban et al., 2016](https://arxiv.org/abs/1511.05355)).
    """
    barycentre = np.mean(covariances, axis=0)
    for _ in range(steps if len(covariances) > 1 else 0):
        root, inverse = _root(barycentre), _root(barycentre, -0.5)
        mean = np.mean([_root(root @ each @ root) for each in covariances], axis=0)
        barycentre = inverse @ mean @ mean @ inverse
    return barycentre


def _whiten(covariance, frame):
    """Returns the whitening matrix of a covariance S, its inverse T B^(1/2), and log |det|.

    T = B^(-1/2) (B^(1/2) S B^(1/2))^(1/2) B^(-1/2) is the optimal transport from N(0, B) to
    N(0, S).
    """
    root, inverse = _root(frame), _root(frame, -0.5)
    colouring = inverse @ _root(root @ covariance @ root)
    return np.linalg.inv(colouring), colouring, np.array([-np.linalg.slogdet(colouring)[1]])
