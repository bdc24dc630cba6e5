"""Parts of Keras that are replaced while a step on torch is traced."""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Iterator
from contextlib import AbstractContextManager

import keras


@contextlib.contextmanager
def replace_attribute(owner, name: str, value) -> Iterator[None]:
    """Replaces an attribute of an object or a module inside the context."""
    attributes = vars(owner)
    before = {name: attributes[name]} if name in attributes else {}
    attributes[name] = value
    try:
        yield
    finally:
        del attributes[name]
        attributes.update(before)


def use_generator(generator) -> AbstractContextManager:
    """Makes `keras.random` on torch draw from `generator(seed, device)`, where seed is a tensor."""
    module = importlib.import_module("keras.src.backend.torch.random")

    def seeded(seed):
        first, second = module.draw_seed(seed)
        return generator(first + second, module.get_device())

    return replace_attribute(module, "torch_seed_generator", seeded)


def use_adam_update(optimizer: keras.Optimizer, update) -> AbstractContextManager:
    """Makes a function update the weights on torch, if the optimizer is Keras's Adam.

    Args:
        optimizer: An optimizer; all but Adam keep their own update.
        update: A function of lists of weights, gradients, first moments and second moments, and of
            the step size, beta_1, beta_2 and epsilon.
    """
    of_keras = importlib.import_module("keras.src.backend.torch.optimizers.torch_adam").Adam
    own = getattr(type(optimizer), "_parallel_update_step", None)
    if own is not of_keras._parallel_update_step or optimizer.amsgrad:
        return contextlib.nullcontext()

    def update_step(gradients, variables, learning_rate):
        def values(variables):
            return [variable.value for variable in variables]

        places = [optimizer._get_variable_index(variable) for variable in variables]
        momentums = [optimizer._momentums[i] for i in places]
        velocities = [optimizer._velocities[i] for i in places]
        betas = optimizer.beta_1, optimizer.beta_2
        step = keras.ops.cast(optimizer.iterations, "float32") + 1.0
        bias_1, bias_2 = (1.0 - beta**step for beta in betas)
        step_size = keras.ops.cast(learning_rate, "float32") * bias_2**0.5 / bias_1
        lists = values(variables), gradients, values(momentums), values(velocities)
        update(*lists, step_size, *betas, optimizer.epsilon)

    return replace_attribute(optimizer, "_backend_update_step", update_step)
