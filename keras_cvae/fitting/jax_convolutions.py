r"""JAX's convolutions on a CPU, in the one layout for which XLA has a fast implementation.

XLA has a fast convolution on CPUs for images NHWC with kernels HWIO. Gradients of convolutions come
in other layouts, for which it falls back to a plain loop: 10 to 80 times slower in the layers of
TensorFlow's convolutional VAE tutorial. Here a function is traced, and each of its convolutions is
computed in the fast layout, between transpositions that XLA is kept from folding away.

A convolution over an image spread by zeros (`lhs_dilation`) with a window larger than its result
is what the gradient of a transposed convolution's kernel is. The two change places there,

    \sum_u a_s[t + u - p] m[u] = \sum_v m[s v - t + p] a[v],   a_s[s v] = a[v], zero elsewhere,

and nothing is multiplied by those zeros. Without zeros the two change places where the left one has
more entries along its batch axis than the kernel has outputs: patches are gathered for each entry.

Convolutions inside loops, branches and rematerialised parts are not rewritten. A function is left
as it is where rewriting fails, and always with `KERAS_CVAE_JAX_CONVOLUTIONS=0` in the environment.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import jax
from jax import lax

LAYOUT = ("NHWC", "HWIO", "NHWC")
SWITCH = "KERAS_CVAE_JAX_CONVOLUTIONS"


def is_on() -> bool:
    """Returns whether convolutions are rewritten: on CPUs, unless the environment variable is 0."""
    return jax.default_backend() == "cpu" and os.environ.get(SWITCH) != "0"


def in_fast_layout(function) -> Callable:
    """Returns the same function with its convolutions rewritten; it cannot be differentiated."""

    def rewritten(*args):
        traced, shapes = jax.make_jaxpr(function, return_shape=True)(*args)
        try:
            leaves = _evaluate(traced, jax.tree.leaves(args))
        except Exception as error:  # whatever a later JAX names or does in another way
            warnings.warn(
                f"Convolutions are left in the layout that JAX {jax.__version__} has them in, "
                f"which on a CPU is slow: {type(error).__name__}: {error}",
                stacklevel=2,
            )
            return function(*args)
        return jax.tree.unflatten(jax.tree.structure(shapes), leaves)

    return rewritten


def _evaluate(traced, args):
    """Computes a closed jaxpr with its function calls inlined, as in JAX's guide to interpreters.

    https://docs.jax.dev/en/latest/notebooks/Writing_custom_interpreters_in_Jax.html
    """
    from jax.extend.core import Literal, primitives

    calls = primitives.jit_p, primitives.custom_jvp_call_p, primitives.custom_vjp_call_p
    values = dict(zip(traced.jaxpr.constvars, traced.consts, strict=True))
    values.update(zip(traced.jaxpr.invars, args, strict=True))

    def read(variable):
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in traced.jaxpr.eqns:
        inputs, params = [read(variable) for variable in equation.invars], equation.params
        if equation.primitive is primitives.conv_general_dilated_p:
            results = [_convolve(*inputs, **params)]
        elif equation.primitive in calls:
            called = params["jaxpr"] if "jaxpr" in params else params["call_jaxpr"]
            results = _evaluate(called, inputs)
        else:
            results = equation.primitive.bind(*inputs, **params)
            results = results if equation.primitive.multiple_results else [results]
        values.update(zip(equation.outvars, results, strict=True))
    return [read(variable) for variable in traced.jaxpr.outvars]


def _convolve(lhs, rhs, *, dimension_numbers, out_sharding=None, **params):
    grouped = params["feature_group_count"] * params["batch_group_count"] > 1
    if lhs.ndim != 4 or grouped:
        return lax.conv_general_dilated(lhs, rhs, dimension_numbers=dimension_numbers, **params)
    batch, feature, *places = dimension_numbers.lhs_spec
    out, into, *window = dimension_numbers.rhs_spec
    lhs, rhs = lhs.transpose(batch, *places, feature), rhs.transpose(*window, into, out)
    shape = jax.eval_shape(lambda lhs, rhs: _in_layout(lhs, rhs, **params), lhs, rhs).shape
    if _is_better_swapped(lhs.shape, rhs.shape, shape, **params):
        result = _swap(lhs, rhs, shape, **params)
    else:
        result = _in_layout(*lax.optimization_barrier((lhs, rhs)), **params)
    batch, feature, *places = dimension_numbers.out_spec
    order = sorted(range(4), key=(batch, *places, feature).__getitem__)
    return lax.optimization_barrier(result).transpose(order)


def _in_layout(lhs, rhs, **params):
    return lax.conv_general_dilated(lhs, rhs, dimension_numbers=LAYOUT, **params)


def _is_better_swapped(lhs, rhs, result, *, window_strides, lhs_dilation, rhs_dilation, **_):
    possible = max(*window_strides, *rhs_dilation) == 1
    of_kernel = all(window > size for window, size in zip(rhs[:2], result[1:3], strict=True))
    return possible and of_kernel and (max(lhs_dilation) > 1 or lhs[0] > rhs[-1])


def _swap(lhs, rhs, shape, *, padding, lhs_dilation, rhs_dilation, **params):
    low = [size - 1 - p for size, (p, _) in zip(shape[1:3], padding, strict=True)]
    sizes = zip(shape[1:3], rhs.shape, lhs.shape[1:3], lhs_dilation, low, strict=False)
    high = [size - window - p + (of - 1) * by for size, window, of, by, p in sizes]
    lhs, rhs = lax.optimization_barrier((rhs.transpose(3, 0, 1, 2), lhs.transpose(1, 2, 3, 0)))
    padding = list(zip(low, high, strict=True))
    params |= {"padding": padding, "lhs_dilation": rhs_dilation, "rhs_dilation": lhs_dilation}
    return lax.rev(_in_layout(lhs, rhs, **params), (1, 2)).transpose(3, 1, 2, 0)
