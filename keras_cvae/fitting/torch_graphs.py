"""A graph of `torch.fx` as a function: what a step need not do is left out, once.

Between two operations of a small network Python takes as long as torch does. So a graph becomes
a function that calls torch's operations directly, and these are as few as give the same numbers:
constants are computed once, a copy of a sum into one of its terms is an addition in place, and what
adds zero, multiplies by one or views a tensor as it is falls away.

On a CPU large matrix products are oneDNN's, as those of TensorFlow are. torch itself leaves them to
MKL, which on processors of others than its maker takes twice as long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch

aten = torch.ops.aten
_LIKE = {aten.ones_like.default, aten.zeros_like.default, aten.full_like.default}
_IDENTITY = {
    aten.add.Tensor: 0,
    aten.sub.Tensor: 0,
    aten.mul.Tensor: 1,
    aten.div.Tensor: 1,
    aten.pow.Tensor_Scalar: 1,
}
_LARGE = 2**21  # multiplications of a product, from which on oneDNN is the faster
_IN_PLACE = {
    aten.add.Tensor: aten.add_.Tensor,
    aten.div.Tensor: aten.div_.Tensor,
    aten.exp.default: aten.exp_.default,
    aten.mul.Tensor: aten.mul_.Tensor,
    aten.neg.default: aten.neg_.default,
    aten.relu.default: aten.relu_.default,
    aten.sub.Tensor: aten.sub_.Tensor,
    aten.tanh.default: aten.tanh_.default,
}
_AS_IT_IS = {aten.view.default, aten.expand.default, aten._to_copy.default}


def function(module: torch.fx.GraphModule, to_the_bit: bool = False) -> Callable:
    """The function of a traced module's arguments, which it may change in place, to its results.

    Args:
        module: A module that `make_fx` made, whose nodes hold examples of their values; changed.
        to_the_bit: Whether nothing may be rounded in another way.
    """
    graph = module.graph
    for node in graph.nodes:
        if node.target is aten.detach.default:
            node.replace_all_uses_with(node.args[0])
        elif node.target is aten.view.default and node.args[0].target is aten.view.default:
            node.args = (node.args[0].args[0], node.args[1])
        elif not to_the_bit and _adds_product(node):
            node.target, node.args = aten.addmm.default, (*_others(node), *node.prev.args)
    graph.eliminate_dead_code()
    changed = _changed(graph)
    constants = {n: getattr(module, n.target) for n in graph.nodes if n.op == "get_attr"}
    for node in graph.nodes:
        if node.op != "call_function" or node in changed or not _is_pure(node):
            continue
        source = _same(node)
        if source is not None and source not in changed:
            node.replace_all_uses_with(source)
        elif _is_constant(node, constants, changed):
            constants[node] = _value(node, constants)
    for node in graph.nodes:
        if _accumulates(node):
            total, (variable, term) = node.args[1], node.args[1].args
            node.target, node.args = aten.add_.Tensor, (variable, term)
            node.kwargs = total.kwargs
    for node in graph.nodes:
        if not to_the_bit and _is_large_product(node):
            *bias, left, right = node.args
            with graph.inserting_before(node):
                right = graph.call_function(aten.t.default, (right,))
            node.target = torch.ops.mkldnn._linear_pointwise.default
            node.args = (left, right, bias[0] if bias else None, "none", [], "")
    graph.eliminate_dead_code()
    _reuse_memory(graph, constants)
    return _compiled(graph, constants)


def _compiled(graph, constants):
    """Python's function of a graph, in which nothing is looked up and nothing kept too long."""
    names = {node: f"v{number}" for number, node in enumerate(graph.nodes)}
    given = [names[node] for node in graph.nodes if node.op == "placeholder"]
    last = {used: node for node in graph.nodes for used in node.all_input_nodes}
    space, lines = {}, []

    def said(value):
        if isinstance(value, (list, tuple)):
            return "[" + ", ".join(map(said, value)) + "]"
        if isinstance(value, torch.fx.Node):
            if value in constants:
                space[names[value]] = constants[value]
            return names[value]
        name = f"c{len(space)}"
        space[name] = value
        return name

    for node in graph.nodes:
        if node.op == "output":
            lines.append(f"return {said(node.args[0])}")
        elif node.op == "call_function" and node not in constants:
            result, operation = names[node], f"f_{names[node]}"
            space[operation] = getattr(node.target, "_op", node.target)
            arguments = [*map(said, node.args)]
            arguments += [f"{name}={said(value)}" for name, value in node.kwargs.items()]
            lines.append(f"{result} = {operation}({', '.join(arguments)})")
            used = {*node.all_input_nodes, node} - {*constants}
            over = sorted(names[one] for one in used if last.get(one, one) is node)
            lines += [f"del {', '.join(over)}"] if over else []
    body = "\n    ".join(lines)
    exec(f"def run({', '.join(given)}):\n    {body}", space)
    return space["run"]


def _written(node):
    """The arguments of a call that it changes in place."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return []
    given = dict(zip([a.name for a in schema.arguments], node.args, strict=False)) | node.kwargs
    changed = [a.name for a in schema.arguments if a.alias_info and a.alias_info.is_write]
    written = []
    torch.fx.map_arg([given[name] for name in changed if name in given], written.append)
    return written


def _shared(graph):
    """Of each node, the set of all that may share memory with it, itself among them."""
    shared = {}
    for node in graph.nodes:
        shared[node] = {node}
        schema = getattr(node.target, "_schema", None)
        if schema is None or any(result.alias_info for result in schema.returns):
            for used in node.all_input_nodes:
                shared[node] |= shared[used]
            for other in shared[node]:
                shared[other] = shared[node]
    return shared


def _changed(graph):
    """The nodes that share memory, or may, with what is changed in place, at some time."""
    shared = _shared(graph)
    return {
        other for node in graph.nodes for written in _written(node) for other in shared[written]
    }


def _reuse_memory(graph, constants):
    """Lets an operation write over its first argument, where it is the last to read it."""
    shared, order = _shared(graph), {node: place for place, node in enumerate(graph.nodes)}
    own = {node for node in graph.nodes if node.op == "call_function" and node not in constants}
    for node in graph.nodes:
        if node not in own or node.target not in _IN_PLACE or node.kwargs:
            continue
        first, *others = node.args
        if not isinstance(first, torch.fx.Node) or not shared[first] <= own:
            continue
        users = {user for value in shared[first] for user in value.users}
        is_last = all(order[user] <= order[node] for user in users)
        is_read_once = not any(other in shared[first] for other in others)
        if is_last and is_read_once and _is_like(node.meta["val"], first.meta["val"]):
            node.target = _IN_PLACE[node.target]
            shared[first] = shared[node] = shared[first] | shared[node]
            for value in shared[node]:
                shared[value] = shared[node]


def _is_like(value, other):
    """Whether two tensors are alike in all but their numbers."""
    return (value.shape, value.stride(), value.dtype, value.device) == (
        other.shape,
        other.stride(),
        other.dtype,
        other.device,
    )


def _is_pure(node):
    return isinstance(node.target, torch._ops.OpOverload) and not node.is_impure()


def _is_constant(node, constants, changed):
    if torch.Tag.nondeterministic_seeded in node.target.tags:
        return False
    if node.target in _LIKE:
        return True
    used = node.all_input_nodes
    return all(value in constants and value not in changed for value in used)


def _value(node, constants):
    known = dict(constants)
    if node.target in _LIKE:
        like = node.args[0].meta["val"]
        known[node.args[0]] = torch.empty_strided(
            like.shape, like.stride(), dtype=like.dtype, device=like.device
        )
    args, kwargs = torch.fx.map_arg((node.args, node.kwargs), known.__getitem__)
    return node.target(*args, **kwargs)


def _same(node):
    """The node of the same value, in the same layout, that this one computes anew; or None."""
    source, value = node.args[0] if node.args else None, node.meta.get("val")
    if not isinstance(source, torch.fx.Node) or not isinstance(value, torch.Tensor):
        return None
    if node.target is aten.sum.default:
        is_same = value.ndim == source.meta["val"].ndim
    elif node.target in _IDENTITY:
        is_same = not node.kwargs and node.args[1] == _IDENTITY[node.target]
    else:
        is_same = node.target in _AS_IT_IS
    like = source.meta["val"]
    as_it_is = (value.shape, value.stride(), value.dtype, value.device)
    like = like.shape, like.stride(), like.dtype, like.device
    return source if is_same and as_it_is == like else None


def _accumulates(node):
    """Whether a sum is copied into its first term, at once and for nothing else."""
    if node.target is not aten.copy_.default:
        return False
    variable, total = node.args[:2]
    return (
        isinstance(total, torch.fx.Node)
        and total.target is aten.add.Tensor
        and total.args[0] is variable
        and len(total.users) == 1
        and node.prev is total
        and total.meta["val"].dtype == variable.meta["val"].dtype
        and total.meta["val"].shape == variable.meta["val"].shape
    )


def _adds_product(node):
    """Whether it adds to the matrix product just before, which no one else needs."""
    product = node.prev
    if node.target is not aten.add.Tensor or node.kwargs or len(product.users) != 1:
        return False
    if product.target is not aten.mm.default or product not in node.args:
        return False
    is_large, (other,) = _is_large_product(product), _others(node)
    product, other = product.meta["val"], getattr(other, "meta", {}).get("val")
    is_like = isinstance(other, torch.Tensor) and other.dtype == product.dtype
    if not is_like:
        return False
    return other.shape == product.shape[1:] or (other.shape == product.shape and not is_large)


def _is_large_product(node):
    """Whether it is a product, with a bias or without, that oneDNN is to compute."""
    if node.target not in (aten.mm.default, aten.addmm.default) or node.kwargs:
        return False
    *bias, left, right = (argument.meta["val"] for argument in node.args)
    is_plain = all(value.ndim == 1 for value in bias) and left.dtype == torch.float32
    is_large = left.numel() * right.shape[1] >= _LARGE
    return is_plain and is_large and left.device.type == "cpu" and _has_onednn()


@functools.cache
def _has_onednn():
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _others(node):
    return [value for value in node.args if value is not node.prev]
