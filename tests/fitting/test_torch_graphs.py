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
        (lambda x: [x.copy_(1 + x * 2)], ["mul", "add", "copy_"]),
    ],
)
def test_only_what_changes_nothing_is_left_out(step, operations, monkeypatch):
    left, compiled = [], torch_graphs._compiled

    def noted(graph, constants):
        left.extend(
            node.target.__name__.split(".")[0]
            for node in graph.nodes
            if node.op == "call_function" and node not in constants
        )
        return compiled(graph, constants)

    monkeypatch.setattr(torch_graphs, "_compiled", noted)
    x = torch.arange(6.0).view(2, 3)
    torch_graphs.function(make_fx(step)(x.clone()))(x)
    assert left == operations
