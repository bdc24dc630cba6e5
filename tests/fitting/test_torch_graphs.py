"""Graphs of torch as functions: the same numbers and effects, in fewer operations."""

import keras
import pytest

if keras.backend.backend() != "torch":
    pytest.skip("simplifies graphs of torch", allow_module_level=True)

import torch
from torch.fx.experimental.proxy_tensor import make_fx

from keras_cvae.fitting import torch_graphs


def test_numbers_and_effects_are_those_of_the_graph():
    def step(total, weight, x, bias):
        product = x @ weight + bias + 0
        mean = (product * torch.full((3,), 2.0) / 1).mean() * 1
        view = x.view(2, 2).view(4).view(2, 2)
        kept = total * 1  # what it was before it changes
        total.copy_(total + mean)
        weight.add_(1.0)
        return [product, view, kept, x @ weight + view @ weight, torch.ones_like(x) * 3.0]

    def arguments():
        torch.manual_seed(0)
        return torch.zeros(()), torch.randn(2, 3), torch.randn(2, 2), torch.randn(3)

    ours, theirs = arguments(), arguments()
    run = torch_graphs.function(make_fx(step)(*arguments()))
    for _ in range(2):
        for mine, expected in zip(run(*ours), step(*theirs), strict=True):
            torch.testing.assert_close(mine, expected)
        for mine, expected in zip(ours, theirs, strict=True):
            torch.testing.assert_close(mine, expected)


@pytest.fixture
def left(monkeypatch):
    """Names of the operations of the graphs that are made, filled as they are."""
    names, compiled = [], torch_graphs._compiled

    def noted(graph, constants):
        names.extend(
            node.target.__name__.split(".")[0]
            for node in graph.nodes
            if node.op == "call_function" and node not in constants
        )
        return compiled(graph, constants)

    monkeypatch.setattr(torch_graphs, "_compiled", noted)
    return names


def test_large_products_are_those_of_onednn(left):
    def step(x, weight, bias, total):
        hidden = x @ weight + bias
        total.copy_(total + hidden.t() @ x)
        return [hidden, x.t() @ hidden, hidden @ weight.t(), (x @ weight).tanh()]

    torch.manual_seed(0)
    shapes = (300, 128), (128, 150), (150,), (150, 128)
    given = [torch.randn(shape) for shape in shapes]
    run = torch_graphs.function(make_fx(step)(*(tensor.clone() for tensor in given)))
    assert left.count("_linear_pointwise") == (5 if torch.backends.mkldnn.is_available() else 0)
    ours, theirs = [[tensor.clone() for tensor in given] for _ in range(2)]
    for _ in range(2):
        for mine, expected in zip(run(*ours), step(*theirs), strict=True):
            torch.testing.assert_close(mine, expected, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(ours[-1], theirs[-1], rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("step", "operations"),
    [
        (lambda x: [((x + 0) * 1 / 1).view(2, 3)], []),
        (lambda x: [x + torch.ones(3).exp()], ["add"]),
        (lambda x: [x.exp_(), x * 1], ["exp_", "mul"]),  # a copy, before what follows
        (lambda x: [x.view(3, 2) * 1, x.exp_()], ["view", "mul", "exp_"]),
        (lambda x: [x.to(torch.float64)], ["_to_copy"]),
        (lambda x: [torch.ones(2) + x @ x.t()], ["t", "addmm"]),
        (lambda x: [torch.rand_like(x), torch.rand(2)], ["rand_like", "rand"]),
        (lambda x: [x.copy_(x + 1)], ["add_"]),
        (lambda x: [x.copy_(1 + x * 2)], ["mul", "add_", "copy_"]),
        (lambda x: [(x.exp() - x).tanh()], ["exp", "sub_", "tanh_"]),
        (lambda x: [(y := x.exp()) * 2, y], ["exp", "mul"]),  # y is wanted
        (lambda x: [(x.exp() * 2).view(3, 2), x * 1], ["exp", "mul_", "view"]),
        (lambda x: [(y := x.exp()) * 2 + y.view(6).sum()], ["exp", "mul", "view", "sum", "add_"]),
        (lambda x: [(y := x.exp()).view(6)[1] + y * 3], ["exp", "view", "select", "mul", "add"]),
        (lambda x: [x.exp() + torch.ones(2, 2, 3)], ["exp", "add"]),  # another shape
        (lambda x: [x.view(6).exp_() * 2], ["view", "exp_", "mul"]),  # what is given is x
    ],
)
def test_only_what_changes_nothing_is_left_out(step, operations, left):
    x = torch.arange(6.0).view(2, 3)
    ours, theirs = x.clone(), x.clone()
    run = torch_graphs.function(make_fx(step)(x))
    for mine, expected in zip(run(ours), step(theirs), strict=True):
        if not left or "rand" not in left[-1]:
            torch.testing.assert_close(mine, expected)
    assert left == operations
