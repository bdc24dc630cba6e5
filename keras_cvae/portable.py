"""Operations in forms that exported models can have, for every backend and format.

On some backends Keras writes `erf`, `argmax` and `take` as operations that ONNX, LiteRT or OpenVINO
lack. These are made of operations that all of them have.
"""

from __future__ import annotations

import math

from keras import ops

from keras_cvae.types import Tensor

# Coefficients of polynomials from the highest power: of erf(x) / x = P(x^2) / Q(x^2), and of
# erfinv(x) / x in w - 2.5 and sqrt(w) - 3.
FARTHEST = 3.832506856900711  # erf is 1 in float32 from there on
ABOVE = (0.00022905065861350646, 0.0034082910107109506, 0.050955695062380861)
ABOVE += (0.18520832239976145, 1.128379143519084)
BELOW = (-1.1791602954361697e-7, 0.000023547966471313185, 0.0010179625278914885)
BELOW += (0.014070470171167667, 0.11098505178285362, 0.49746925110067538, 1.0)
CENTRAL = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087)
CENTRAL += (-0.00125372503, -0.00417768164, 0.246640727, 1.50140941)
OUTER = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773)
OUTER += (-0.0076224613, 0.00943887047, 1.00167406, 2.83297682)


def normal_cdf(x) -> Tensor:
    """Returns the distribution function of N(0, 1) in float32, with an error below 2e-7.

    Args:
        x: Tensor of any shape.

    Returns:
        Tensor of the same shape.

    Reference:
        [Eigen](https://gitlab.com/libeigen/eigen), whose rational function of erf this is.
    """
    x = ops.clip(x / math.sqrt(2.0), -FARTHEST, FARTHEST)
    squared = ops.square(x)
    erf = x * _polynomial(ABOVE, squared) / _polynomial(BELOW, squared)
    return 0.5 * (1.0 + ops.clip(erf, -1.0, 1.0))


def normal_quantile(p) -> Tensor:
    """Returns the inverse of `normal_cdf`, with a relative error of 3e-7 for 2p - 1.

    Args:
        p: Tensor of numbers in (0, 1).

    Returns:
        Tensor of the same shape.
    """
    return math.sqrt(2.0) * erfinv(2.0 * p - 1.0)


def erfinv(x) -> Tensor:
    """Returns the inverse of erf in float32, with a relative error of 3e-7.

    Args:
        x: Tensor of numbers in (-1, 1).

    Returns:
        Tensor of the same shape.

    Reference:
        [Giles, 2012](https://people.maths.ox.ac.uk/gilesm/files/gems_erfinv.pdf).
    """
    w = -ops.log((1.0 - x) * (1.0 + x))
    central = _polynomial(CENTRAL, w - 2.5)
    outer = _polynomial(OUTER, ops.sqrt(ops.maximum(w, 5.0)) - 3.0)
    return ops.where(w < 5.0, central, outer) * x


def one_hot_of_greatest(x, dtype="float32") -> Tensor:
    """Returns 1 at the greatest entry along the last axis, the first if several are, else 0.

    Args:
        x: Tensor of any shape.
        dtype: The type of the result, of the same shape.
    """
    is_greatest = ops.equal(x, ops.max(x, axis=-1, keepdims=True))
    place = ops.cumsum(ops.cast(is_greatest, "int32"), axis=-1)
    return ops.cast(ops.logical_and(is_greatest, ops.equal(place, 1)), dtype)


def entries(values, places) -> Tensor:
    """Returns the entries of a tensor at places, as numbered in the flattened tensor.

    Args:
        values: Tensor of any shape.
        places: Integers of any shape: a tensor, an array or a list.

    Returns:
        Tensor of the shape of `places`.
    """
    return ops.squeeze(ops.take(ops.reshape(values, (-1, 1)), places, axis=0), -1)


def columns(x, places) -> Tensor:
    """Returns `x[:, places]`.

    Args:
        x: Tensor of at least two dimensions; those after the second have fixed sizes.
        places: List of integers.
    """
    by_column = ops.swapaxes(x, 0, 1)
    if len(x.shape) > 2:
        by_column = ops.reshape(by_column, (x.shape[1], -1))
    chosen = ops.take(by_column, places, axis=0)
    return ops.swapaxes(ops.reshape(chosen, (len(places), -1, *x.shape[2:])), 0, 1)


def _polynomial(coefficients, x):
    value = coefficients[0]
    for coefficient in coefficients[1:]:
        value = coefficient + value * x
    return value
