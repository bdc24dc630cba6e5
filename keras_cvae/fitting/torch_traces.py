r"""A step of a model on torch as a trace: its operations, which run without Keras.

`torch.fx` records the operations that a whole step of the model performs: forward, backward, the
optimizer's update, and what is assigned to variables. A variable's value is an argument of the
trace, and is changed in place as Keras changes it. Recording is the first step itself, with its
effects. What runs is the code that `torch.fx` writes.

Three things are replaced while a step is recorded:

- A draw of `keras.random` seeds a generator with a number that Python reads out of a tensor. It
  becomes one operation of seed and shape, which draws the numbers that Keras would draw.
- `one_hot` reads the least and the greatest label. It becomes a comparison of labels.
- Keras's Adam passes nine times over the weights. It becomes torch's fused kernel.

An optimizer that reads a tensor to decide what to do next (accumulated gradients, scaled losses) is
called after each run of the trace instead. Where a layer does so, every step is Keras's own.
"""

from __future__ import annotations

import contextlib
import functools

import keras
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from keras_cvae.fitting import inside

aten = torch.ops.aten
_DRAWS = []  # functions that draw, of the trace that is being recorded


class Trace:
    """The operations of a step for batches of one shape, recorded while the step is taken.

    Args:
        model: The model.
        kind: `"train"`, `"test"` or `"predict"`.
        batch: The batch of the first step, the one that is recorded.
        with_optimizer: Whether the optimizer's update is recorded too, or called after each run.

    Attributes:
        outputs: For a prediction, the model's outputs for the batch, tensors.
    """

    def __init__(self, model, kind: str, batch, with_optimizer: bool = True):
        trains, step = kind == "train", getattr(model, f"{kind}_step")
        optimizer = model.optimizer if trains else None
        self._apply = None if with_optimizer else optimizer.apply
        variables = [*model.variables, *model.metrics_variables]
        variables += optimizer.variables if trains else []
        self._values = [*{id(variable): variable.value for variable in variables}.values()]
        self._updated = []

        def record(*tensors):
            leaves = tensors[len(self._values) :]
            with contextlib.ExitStack() as stack:
                stack.enter_context(_Rewriting())
                stack.enter_context(inside.use_generator(_Generator.of))
                if trains and with_optimizer:
                    stack.enter_context(inside.use_adam_update(optimizer, _fused_adam))
                elif trains:
                    stack.enter_context(inside.replace_attribute(optimizer, "apply", note))
                outputs = step(keras.tree.pack_sequence_as(batch, leaves))
            if kind == "predict":
                self.outputs = outputs
                return keras.tree.flatten(outputs)
            return gradients

        def note(new, variables):
            if self._updated:
                raise NotImplementedError("a step that updates the weights twice")
            gradients.extend(new)
            self._updated = list(variables)

        gradients, leaves = [], keras.tree.flatten(batch)
        with _undone_after_error(self._values), torch.set_grad_enabled(trains):
            self._run = _function(make_fx(record, DECOMPOSED)(*self._values, *leaves))
        for value in self._values:
            value.grad = None
        self._update(gradients)

    def __call__(self, leaves):
        """Takes a step with a batch, flattened; returns the outputs of a prediction."""
        # An optimizer may keep what it computes of gradients: they must not be inference tensors.
        with torch.no_grad() if self._apply else torch.inference_mode():
            results = self._run(*self._values, *leaves)
        self._update(results)
        return results

    def _update(self, gradients):
        if self._apply:
            with torch.no_grad():
                self._apply(gradients, self._updated)


def _slice_backward(gradient, sizes, dim, start, end, step):
    """Returns the gradient of a slice, padded with zeros, in its layout, such as channels last."""
    if step != 1:
        return NotImplemented
    first, last, _ = slice(start, end).indices(sizes[dim])
    padding = [0, 0] * (len(sizes) - 1 - dim) + [first, sizes[dim] - last]
    return torch.constant_pad_nd(gradient, padding)


DECOMPOSED = {aten.slice_backward.default: _slice_backward}


class _Generator(torch.Generator):
    """A generator that a trace, when it runs, seeds with the value that a tensor then has."""

    @classmethod
    def of(cls, seed_tensor, device):
        generator = cls(device)
        generator.seed_tensor = seed_tensor
        return generator


class _Rewriting(TorchFunctionMode):
    """Replaces functions that read values out of tensors by operations that can be traced."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.nn.functional.one_hot:
            return _one_hot(*args, **kwargs)
        if function is torch.Tensor.contiguous and _is_channels_last(*args, **kwargs):
            return args[0]
        if isinstance(kwargs.get("generator"), _Generator):
            return _traced_draw(function, args, **kwargs)
        return function(*args, **kwargs)


def _is_channels_last(tensor, memory_format=torch.contiguous_format):
    is_image = tensor.ndim == 4 and memory_format == torch.contiguous_format
    return is_image and tensor.is_contiguous(memory_format=torch.channels_last)


def _one_hot(tensor, num_classes):
    classes = torch.arange(num_classes, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).to(torch.int64)


def _traced_draw(function, args, generator, **kwargs):
    """Calls `function(*args, **kwargs, generator=generator)` as one operation of a trace."""
    flat, spec = pytree.tree_flatten((args, kwargs))
    places = [i for i, value in enumerate(flat) if isinstance(value, torch.Tensor)]
    tensors = [flat[i].detach() for i in places]
    source = torch.Generator(generator.device)

    def run(seed, tensors, number):
        source.manual_seed(int(seed) & 0xFFFFFFFF)  # as Keras does
        if not tensors:
            return function(*args, **kwargs, generator=source)
        for i, tensor in zip(places, tensors, strict=True):
            flat[i] = tensor
        now, named = pytree.tree_unflatten(flat, spec)
        return function(*now, **named, generator=source)

    for i in places:
        flat[i] = None
    _DRAWS.append(run)
    return _draw(generator.seed_tensor, tensors, len(_DRAWS) - 1)


@torch.library.custom_op("keras_cvae::draw", mutates_args=())
def _draw(seed: torch.Tensor, tensors: list[torch.Tensor], number: int) -> torch.Tensor:
    """Generates random numbers in the trace that is being recorded, by the number of the call."""
    return _DRAWS[number](seed, tensors, number)


def _fused_adam(weights, gradients, momentums, velocities, step_size, beta_1, beta_2, epsilon):
    r"""Applies Keras's update in place: w -= step_size * m / (sqrt(v) + epsilon).

    torch corrects the moments by 1 - beta^t and adds epsilon to the corrected root. After
    infinitely many steps there is nothing to correct, and its rule is Keras's, whose step size is
    \eta sqrt(1 - beta_2^t) / (1 - beta_1^t).
    """
    if not all(tensor.is_contiguous() for tensor in [*weights, *momentums, *velocities]):
        raise NotImplementedError("weights that are not contiguous")
    forever = torch.full((), torch.inf, device=step_size.device)
    torch._fused_adam_(
        weights,
        [gradient.contiguous() for gradient in gradients],
        momentums,
        velocities,
        [],
        [forever] * len(weights),
        lr=step_size,
        beta1=beta_1,
        beta2=beta_2,
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )


@contextlib.contextmanager
def _undone_after_error(values):
    """Restores tensors and torch's generators after an error."""
    kept = [value.detach().clone() for value in values]
    states = torch.get_rng_state(), torch.cuda.get_rng_state_all()
    _DRAWS.clear()

    try:
        yield
    except Exception:
        torch.set_rng_state(states[0])
        torch.cuda.set_rng_state_all(states[1])
        with torch.no_grad():
            for value, before in zip(values, kept, strict=True):
                value.copy_(before)
                value.grad = None
        raise


def _function(module):
    """Returns the code of a trace as a function of tensors."""
    for node in module.graph.nodes:
        if node.target is torch.ops.keras_cvae.draw.default:
            node.target = _DRAWS[node.args[2]]
        elif node.target is aten.detach.default:  # no gradients are taken when it runs
            node.replace_all_uses_with(node.args[0])
        node.meta.clear()  # examples of values
    module.graph.eliminate_dead_code()
    for node in module.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload):
            node.target = _direct(node.target)
    module.recompile()
    return module.forward


@functools.cache
def _direct(operation):
    """Returns the function of an operation that torch calls in Python, named for `torch.fx`."""
    function = functools.partial(operation._op)
    function.__name__ = function.__qualname__ = str(operation).replace(".", "_")
    return function
