"""Assumptions about Keras that fused steps rely on, each with its check."""

from __future__ import annotations

import importlib
import inspect
import warnings

import keras

from keras_cvae.fitting.inside import adapters
from keras_cvae.fitting.inside.compiled import replicas


def may_fuse(model: keras.Model) -> bool:
    """Returns whether all assumptions hold, and warns of those that do not."""
    broken = [what for what, holds in ASSUMPTIONS.items() if not _is_true(holds, model)]
    if broken:
        warnings.warn(
            f"Steps run one at a time: in Keras {keras.__version__} it is no longer so that "
            + "; that ".join(broken),
            stacklevel=4,
        )
    return not broken


def _is_true(holds, model):
    try:
        return bool(holds(model))
    except Exception:  # whatever is missing in a later Keras
        return False


def _names_in(method):
    return inspect.unwrap(method).__code__.co_names


def _arguments(model):
    shared = {"x", "y", "batch_size", "verbose", "callbacks", "sample_weight"}
    of_fit = {"epochs", "validation_split", "validation_data", "shuffle", "class_weight"}
    of_fit |= {"steps_per_epoch", "validation_steps", "validation_batch_size"}
    fit = set(inspect.signature(keras.Model.fit).parameters)
    evaluate = set(inspect.signature(keras.Model.evaluate).parameters)
    return shared | of_fit <= fit and shared | {"steps"} <= evaluate


def _loops(model):
    shared = {"CallbackList", "steps_per_execution"}
    fit = {"make_train_function", "train_function", "evaluate", "on_epoch_begin"} | shared
    evaluate = {"make_test_function", "test_function"} | shared
    fits = fit <= set(_names_in(keras.Model.fit))
    return fits and evaluate <= set(_names_in(keras.Model.evaluate))


def _begins(model):
    return "_initial_epoch" in _names_in(keras.Model.fit)


def _adapts(model):
    counted = adapters.CountingAdapter(None, *[lambda: None] * 3)
    used = {"get_numpy_iterator", "get_tf_dataset", "get_jax_iterator", "get_torch_dataloader"}
    used |= {"num_batches", "on_epoch_begin", "on_epoch_end"}
    is_kept = adapters.data_adapters.get_data_adapter(counted) is counted
    return is_kept and used <= set(dir(adapters.DataAdapter))


def _flattens(model):
    flat = {id(layer) for layer in model._flatten_layers()}
    return flat >= {id(layer) for layer in [model, *model.layers]}


def _steps_of_jax(model):
    if keras.backend.backend() != "jax":
        return True
    steps = keras.Model.train_step, keras.Model.test_step
    return all([*inspect.signature(step).parameters][1:] == ["state", "data"] for step in steps)


def _strategy(model):
    return replicas(model) >= 1


def _draws_of_torch(model):
    if keras.backend.backend() != "torch":
        return True
    module = importlib.import_module("keras.src.backend.torch.random")
    draws = module.normal, module.uniform, module.dropout, module.randint, module.categorical
    seeds = [*inspect.signature(module.torch_seed_generator).parameters] == ["seed"]
    return seeds and all("torch_seed_generator" in _names_in(draw) for draw in draws)


def _adam_of_torch(model):
    if keras.backend.backend() != "torch":
        return True
    apply = keras.optimizers.Optimizer._backend_apply_gradients
    moments = {"_momentums", "_velocities"}
    builds = moments <= set(_names_in(keras.optimizers.Adam.build))
    return builds and "_backend_update_step" in _names_in(apply)


ASSUMPTIONS = {
    "`fit` and `evaluate` take the arguments that they took": _arguments,
    "they call `train_function` and `test_function`, once for each item of the data": _loops,
    "`fit` begins at `_initial_epoch`": _begins,
    "they take an adapter of data": _adapts,
    "`_flatten_layers` returns all layers": _flattens,
    "steps on JAX take a state and data": _steps_of_jax,
    "`distribute_strategy` is that of TensorFlow": _strategy,
    "draws on torch are seeded by `torch_seed_generator`": _draws_of_torch,
    "Adam keeps `_momentums` and `_velocities`, and calls `_backend_update_step`": _adam_of_torch,
}
