r"""Many steps of one trace on torch: a step is traced once, and the trace runs without Keras.

`torch.fx` records the operations that a whole step of the model performs: forward, backward, the
optimizer's update, and what is assigned to variables. A variable is an argument of the trace, and
is changed in place as Keras changes it. Recording is the first step itself, with its effects.

Three things are said in another way while a step is recorded:

- A draw of `keras.random` seeds a generator with a number that Python reads out of a tensor. It
  becomes one operation of seed and shape: the numbers are those that Keras would draw.
- `one_hot` reads the least and the greatest label. It becomes a comparison of labels.
- Keras's Adam passes nine times over the weights. It becomes torch's fused kernel.

An optimizer that asks a tensor what to do next (accumulated gradients, scaled losses) is called
after each run of the trace instead. Where a layer asks, every step is Keras's own.
"""

from __future__ import annotations

import contextlib
import warnings
import weakref

import keras
import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from keras_cvae.fitting import inside, torch_graphs

aten = torch.ops.aten
_SAID = weakref.WeakSet()  # models of which it was said that they are not traced
_DRAWS = []  # functions that draw, of the trace that is being recorded

# glibc gives large blocks back to the system as they are freed, and each step would take its memory
# anew, page by page. Once it has seen one of just under 32 MB freed, it keeps up to 64 MB.
# Reference: https://man7.org/linux/man-pages/man3/mallopt.3.html, on M_MMAP_THRESHOLD.
torch.empty(2**25 - 2**13, dtype=torch.uint8)


class Program:
    """What Keras calls as its train or test function: `program([block])` to the logs of a block.

    Args:
        model: The model; its step is called with a batch.
        kind: `"train"` or `"test"`.
        batch_size: How many rows a step takes.
        jit_compile: As given to `compile`; nothing is compiled here.
    """

    def __init__(self, model, kind: str, batch_size: int, jit_compile):
        self.model, self.batch_size, self._kind = model, batch_size, kind
        self._step = getattr(model, f"{kind}_step")
        self._trains = kind == "train"
        if self._trains and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._traces = {}
        self._ways = [True, False] if self._trains else [True]  # with the optimizer, or without it

    def __call__(self, data):
        ((rows, block),) = data
        arrays = keras.tree.flatten(block)
        kind = str(keras.tree.map_structure(lambda array: (array.shape[1:], array.dtype), block))
        for start in range(0, int(rows), self.batch_size):
            count = min(self.batch_size, int(rows) - start)
            leaves = [array[start : start + count] for array in arrays]
            if (kind, count) in self._traces:
                self._traces[kind, count](leaves)
                continue
            batch = keras.tree.pack_sequence_as(block, leaves)
            trace = self._record(batch)
            if trace:
                self._traces[kind, count] = trace
            else:
                with torch.set_grad_enabled(self._trains):
                    self._step(batch)
        return self.model.get_metrics_result()

    def _record(self, batch):
        """Takes a step and returns its trace; or returns None, and nothing has changed."""
        while self._ways:
            try:
                return Trace(self.model, self._kind, batch, self._ways[0])
            except Exception as error:  # whatever a layer does that has no trace
                self._ways.pop(0)
                if not self._ways and self.model not in _SAID:
                    _SAID.add(self.model)
                    warnings.warn(
                        "Steps run one at a time, through Keras's layers: torch cannot trace what "
                        f"one of them does. {type(error).__name__}: {error}",
                        stacklevel=4,
                    )
        return None


class Trace:
    """The operations of a step on batches of one shape, recorded while it is taken.

    Args:
        model: The model.
        kind: `"train"`, `"test"` or `"predict"`: which step of the model.
        batch: What to take the step with.
        with_optimizer: Whether the optimizer's update is recorded too, or called after each run.
        to_the_bit: Whether nothing may be rounded in another way than by Keras's layers. A
            prediction that may is only recorded, and leaves everything as it was.

    Attributes:
        outputs: Of a prediction, what the model made of the batch, tensors.
    """

    def __init__(
        self, model, kind: str, batch, with_optimizer: bool = True, to_the_bit: bool = False
    ):
        trains, step = kind == "train", getattr(model, f"{kind}_step")
        optimizer = model.optimizer if trains else None
        self._apply = None if with_optimizer else optimizer.apply
        variables = [*model.variables, *model.metrics_variables]
        variables += optimizer.variables if trains else []
        self._values = [*{id(variable): variable.value for variable in variables}.values()]
        self._updated = []

        def record(values, leaves):
            with contextlib.ExitStack() as stack:
                stack.enter_context(_Rewriting())
                stack.enter_context(inside.draws_seeded_by(_Generator.of))
                if trains and with_optimizer:
                    stack.enter_context(inside.adam_updated_by(optimizer, _fused_adam))
                elif trains:
                    stack.enter_context(inside.replaced(optimizer, "apply", note))
                outputs = step(keras.tree.pack_sequence_as(batch, leaves))
            if kind == "predict":
                self.outputs = outputs
                return keras.tree.flatten(outputs)
            return gradients

        def note(found, variables):
            if self._updated:
                raise NotImplementedError("a step that updates the weights twice")
            gradients.extend(found)
            self._updated = list(variables)

        gradients, leaves = [], keras.tree.flatten(batch)
        is_rehearsal = kind == "predict" and not to_the_bit
        with _undone(self._values, is_rehearsal), torch.set_grad_enabled(trains):
            module = make_fx(record, DECOMPOSED)(self._values, leaves)
            self._run = _function(module, to_the_bit)
        for value in self._values:
            value.grad = None
        self._update(gradients)

    def __call__(self, leaves):
        """Takes a step with a batch, flattened; returns the outputs of a prediction."""
        # What an optimizer makes of gradients may stay: that must be no inference tensor.
        with torch.no_grad() if self._apply else torch.inference_mode():
            results = self._run(*self._values, *leaves)
        self._update(results)
        return results

    def _update(self, gradients):
        if self._apply:
            with torch.no_grad():
                self._apply(gradients, self._updated)


def _slice_backward(gradient, sizes, dim, start, end, step):
    """A slice's gradient, padded with zeros: in the layout that it has, channels last for one."""
    if step != 1:
        return NotImplemented
    first, last, _ = slice(start, end).indices(sizes[dim])
    padding = [0, 0] * (len(sizes) - 1 - dim) + [first, sizes[dim] - last]
    return torch.constant_pad_nd(gradient, padding)


DECOMPOSED = {aten.slice_backward.default: _slice_backward}


class _Generator(torch.Generator):
    """A generator that is to be seeded, when a trace runs, with what a tensor then holds."""

    @classmethod
    def of(cls, seed_tensor, device):
        generator = cls(device)
        generator.seed_tensor = seed_tensor
        return generator


class _Rewriting(TorchFunctionMode):
    """Within it, what reads tensors is said in operations that a trace can hold."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function is torch.nn.functional.one_hot:
            return _one_hot(*args, **kwargs)
        if function is torch.Tensor.contiguous and _is_channels_last(*args, **kwargs):
            return args[0]
        if isinstance(kwargs.get("generator"), _Generator):
            return _drawn(function, args, **kwargs)
        return function(*args, **kwargs)


def _is_channels_last(tensor, memory_format=torch.contiguous_format):
    is_image = tensor.ndim == 4 and memory_format == torch.contiguous_format
    return is_image and tensor.is_contiguous(memory_format=torch.channels_last)


def _one_hot(tensor, num_classes):
    classes = torch.arange(num_classes, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).to(torch.int64)


def _drawn(function, args, generator, **kwargs):
    """What `function(*args, **kwargs, generator=generator)` draws, as one operation."""
    flat, spec = pytree.tree_flatten((args, kwargs))
    places = [i for i, value in enumerate(flat) if isinstance(value, torch.Tensor)]
    tensors = [flat[i].detach() for i in places]
    source = torch.Generator(generator.device)

    def run(seed, tensors, number):
        source.manual_seed(int(seed) & 0xFFFFFFFF)  # as Keras does
        given = args, kwargs
        if tensors:
            for i, tensor in zip(places, tensors, strict=True):
                flat[i] = tensor
            given = pytree.tree_unflatten(flat, spec)
        return function(*given[0], **given[1], generator=source)

    for i in places:
        flat[i] = None
    _DRAWS.append(run)
    return _draw(generator.seed_tensor, tensors, len(_DRAWS) - 1)


@torch.library.custom_op("keras_cvae::draw", mutates_args=())
def _draw(seed: torch.Tensor, tensors: list[torch.Tensor], number: int) -> torch.Tensor:
    """One of the draws of the trace that is being recorded, by its number."""
    return _DRAWS[number](seed, tensors, number)


def _fused_adam(weights, gradients, momentums, velocities, step_size, beta_1, beta_2, epsilon):
    r"""Keras's update, in place: w -= step_size * m / (sqrt(v) + epsilon).

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
def _undone(values, is_rehearsal):
    """Gives tensors and torch's generators the state they had: after an error, or a rehearsal."""
    kept = [value.detach().clone() for value in values]
    states = torch.get_rng_state(), torch.cuda.get_rng_state_all()
    _DRAWS.clear()

    def undo():
        torch.set_rng_state(states[0])
        torch.cuda.set_rng_state_all(states[1])
        with torch.no_grad():
            for value, before in zip(values, kept, strict=True):
                value.copy_(before)
                value.grad = None

    try:
        yield
    except Exception:
        undo()
        raise
    if is_rehearsal:
        undo()


def _function(module, to_the_bit):
    """The trace as a function of tensors, in which a draw is the function that draws."""
    for node in module.graph.nodes:
        if node.target is torch.ops.keras_cvae.draw.default:
            node.target = _DRAWS[node.args[2]]
    return torch_graphs.function(module, to_the_bit)
