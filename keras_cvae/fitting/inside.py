"""All that touches Keras's inside, and what is assumed of it.

Where an assumption does not hold, in a Keras to come, `fit` is left to Keras: slower, and right.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import itertools
import types
import warnings
import weakref
from collections.abc import Iterator

import keras

try:
    from keras.src.trainers import data_adapters
    from keras.src.trainers.data_adapters.data_adapter import DataAdapter
except ImportError:  # in a Keras to come
    data_adapters, DataAdapter = None, object
try:
    from keras.src.trainers.compile_utils import MetricsList
except ImportError:
    MetricsList = keras.metrics.Metric


def layers(model: keras.Model) -> list:
    """All layers of a model, itself and those inside of others among them."""
    flatten = getattr(model, "_flatten_layers", lambda: [model, *model.layers])
    return list(flatten())


def layer_by_layer(model: keras.Model, tensors):
    """Calls a functional model on symbolic tensors one layer at a time, rather than as one layer.

    Args:
        model: A functional Keras model.
        tensors: A symbolic tensor, or a list of them, as the model takes them.

    Returns:
        The model's symbolic outputs, of the same layers.
    """
    run = getattr(model, "_run_through_graph", None)
    if run is None:  # in a Keras to come
        return model(tensors)
    return run(tensors, call_fn=lambda layer, *args, **kwargs: layer(*args, **kwargs))


def model_between(inputs: list, outputs, name: str) -> keras.Model:
    """`keras.Model(inputs, outputs)`, whose inputs may lie within a graph, which stays as it is.

    Keras, which copies the calls between them, notes new calls of those that are `keras.Input`s.
    """
    before = [tensor._keras_history for tensor in inputs]
    try:
        return keras.Model(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
    finally:
        for tensor, history in zip(inputs, before, strict=True):
            tensor._keras_history = history


def call_first(model: keras.Model, part: keras.Model) -> None:
    """Makes the calls of layers in a model those that `layer.output` stands for.

    Keras takes the first call. The layers of a part that was applied by `layer_by_layer` were first
    called in the part itself, and what is built on `model.get_layer(name).output` would belong to
    that. The two calls change places.

    Args:
        model: The functional model that was built last of the outputs of `layer_by_layer`.
        part: The functional model that it was applied to.
    """
    if not hasattr(keras.layers.Layer, "output") or not isinstance(getattr(part, "_nodes", 0), set):
        return  # in a Keras to come
    shared = {id(layer) for layer in part.layers} & {id(layer) for layer in model.layers}
    for layer in model.layers:
        calls = layer._inbound_nodes
        last = len(calls) - 1
        if id(layer) not in shared or f"{id(layer)}_ib-0" not in part._nodes:
            continue
        calls[0], calls[last] = calls[last], calls[0]
        for index in (0, last):
            for tensor in calls[index].outputs:
                tensor._keras_history = tensor._keras_history._replace(node_index=index)
        keys = [f"{id(layer)}_ib-{index}" for index in (0, last)]
        for owner, before, now in ((part, *keys), (model, *keys[::-1])):
            owner._nodes.remove(before)
            owner._nodes.add(now)


def adapter(stream, y=None, shuffle: bool = False):
    """What Keras makes of a stream: it tells its batches as NumPy arrays, how many, and of epochs.

    Raises:
        ValueError: If Keras does not know such a stream, or takes no `y` beside it.
    """
    with warnings.catch_warnings():  # that it does not shuffle this stream: nobody asked for it
        warnings.filterwarnings("ignore", "`shuffle=True` was passed")
        return data_adapters.get_data_adapter(stream, y, shuffle=shuffle)


def may_count(model: keras.Model) -> bool:
    """Whether TensorFlow's strategy leaves alone what stands for a data set: the default one does.

    A strategy of one device does not.
    """
    if keras.backend.backend() != "tensorflow":
        return True
    stand_in = object()
    try:
        distribute = model.distribute_strategy.experimental_distribute_dataset
        return distribute(stand_in) is stand_in
    except Exception:  # it is not a data set
        return False


class Read(DataAdapter):
    """Gives Keras items as they are, on JAX and torch.

    Args:
        num_batches: How many there are in an epoch.
        read: Function that begins to read them, an iterator.
    """

    num_batches = batch_size = None

    def __init__(self, num_batches, read):
        self.num_batches = num_batches
        self.get_numpy_iterator = self.get_jax_iterator = self.get_torch_dataloader = read

    def on_epoch_begin(self):
        """Nothing: an iterator begins with its first item."""

    def on_epoch_end(self):
        """Nothing."""


class Counted(DataAdapter):
    """Lets Keras count the batches of a stream, which the train function reads itself.

    Args:
        adapter: What Keras made of the stream.
        begin_pass: Called where Keras begins to read the stream anew.
        begin_epoch: Called where it begins to count anew.
        advance: Called for each batch on torch, where Keras itself asks for it; raises a
            `StopIteration` at the end.
    """

    batch_size = None

    def __init__(self, adapter, begin_pass, begin_epoch, advance):
        self._adapter = adapter
        self._begin_pass, self._begin_epoch, self._advance = begin_pass, begin_epoch, advance

    @property
    def num_batches(self):
        return self._adapter.num_batches

    def on_epoch_begin(self):
        self._begin_epoch()
        self._adapter.on_epoch_begin()

    def on_epoch_end(self):
        self._adapter.on_epoch_end()

    def __iter__(self):
        self._begin_pass()
        return itertools.repeat(None)

    def get_tf_dataset(self):
        return self  # Keras iterates over it, once for each pass

    get_jax_iterator = __iter__

    def get_torch_dataloader(self):
        self._begin_pass()
        while True:
            try:
                self._advance()
            except StopIteration:
                return
            yield None


def give_back(model: keras.Model, state) -> None:
    """Gives a model on JAX the variables of a state, which Keras took away for its loop.

    Keras itself does not, where an error ends `evaluate` or the first step of `fit`.
    """
    parts = [model.trainable_variables, model.non_trainable_variables, model.metrics_variables]
    if len(state) > len(parts):
        parts.insert(2, model.optimizer.variables)
    for variables, values in zip(parts, state, strict=True):
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def variables_kept(model: keras.Model) -> Iterator[None]:
    """Gives a model on JAX its variables back where an error stops `predict`, as Keras does not."""
    if keras.backend.backend() != "jax":
        yield
        return
    model._jax_state = None  # of a loop that was stopped before
    values = [(variable, variable.value) for variable in model.variables]
    try:
        yield
    except BaseException:
        if model._jax_state:  # after the first step, which may have used up the values
            model.jax_state_sync()
        else:
            for variable, value in values:
                variable.assign(value)
        raise


class Directions(MetricsList):
    """No metric itself: tells callbacks that monitor which way the metrics of a model get better.

    Keras looks for that among the metrics that it compiled.

    Args:
        directions: Dict of `"up"` or `"down"` by the names of metrics.
    """

    def __init__(self, directions: dict[str, str]):
        keras.metrics.Metric.__init__(self, name="directions")
        self.metrics = [
            types.SimpleNamespace(name=name, _direction=direction)
            for name, direction in directions.items()
        ]

    def update_state(self, *args, **kwargs):
        """Nothing."""

    def reset_state(self):
        """Nothing."""

    def result(self):
        return {}


def portable(config):
    """The config of a compiled model without the modules of a backend.

    On torch Keras names optimizers by those, and the file opens on no other backend.
    """
    if isinstance(config, list):
        return [portable(part) for part in config]
    if not isinstance(config, dict):
        return config
    config = {name: portable(part) for name, part in config.items()}
    is_of_backend = str(config.get("module")).startswith("keras.src.backend.")
    if is_of_backend and hasattr(keras.optimizers, config["class_name"]):
        config |= {"module": "keras.optimizers", "registered_name": None}
    return config


def metrics_state(state):
    """The part of JAX's state of a step that belongs to the model's metrics."""
    return state[-1]


def replicas(model: keras.Model) -> int:
    """How many replicas TensorFlow's distribution strategy keeps in step, which add up losses."""
    if keras.backend.backend() != "tensorflow":
        return 1
    return model.distribute_strategy.num_replicas_in_sync


def may_profile(callback: keras.callbacks.TensorBoard) -> bool:
    """Whether a `TensorBoard` callback profiles a range of batches: `profile_batch` is not 0."""
    return getattr(callback, "_should_trace", True)


@contextlib.contextmanager
def replaced(owner, name: str, value) -> Iterator[None]:
    """Within it an object, or a module, has another attribute of that name."""
    attributes = vars(owner)
    before = {name: attributes[name]} if name in attributes else {}
    attributes[name] = value
    try:
        yield
    finally:
        del attributes[name]
        attributes.update(before)


def draws_seeded_by(generator):
    """Within it `keras.random` on torch draws from `generator(seed, device)`, seed a tensor."""
    module = importlib.import_module("keras.src.backend.torch.random")

    def seeded(seed):
        first, second = module.draw_seed(seed)
        return generator(first + second, module.get_device())

    return replaced(module, "torch_seed_generator", seeded)


def adam_updated_by(optimizer: keras.Optimizer, update):
    """Within it a function changes the weights on torch, where the optimizer is Keras's Adam.

    Args:
        optimizer: An optimizer; others update as they do.
        update: A function of lists of weights, gradients, first and second moments; and of the
            step size, beta_1, beta_2 and epsilon.
    """
    of_keras = importlib.import_module("keras.src.backend.torch.optimizers.torch_adam").Adam
    update_step = getattr(type(optimizer), "_parallel_update_step", None)
    if update_step is not of_keras._parallel_update_step or optimizer.amsgrad:
        return contextlib.nullcontext()

    def update_step(gradients, variables, learning_rate):
        def values(variables):
            return [variable.value for variable in variables]

        places = [optimizer._get_variable_index(variable) for variable in variables]
        momentums = [optimizer._momentums[i] for i in places]
        velocities = [optimizer._velocities[i] for i in places]
        betas = optimizer.beta_1, optimizer.beta_2
        step = keras.ops.cast(optimizer.iterations + 1, "float32")
        bias_1, bias_2 = (1.0 - keras.ops.power(beta, step) for beta in betas)
        step_size = keras.ops.cast(learning_rate, "float32") * keras.ops.sqrt(bias_2) / bias_1
        lists = values(variables), gradients, values(momentums), values(velocities)
        update(*lists, step_size, *betas, optimizer.epsilon)

    return replaced(optimizer, "_backend_update_step", update_step)


class Fingerprint:
    """Which variables and dtype policies a model has: what is baked into its compiled functions.

    Both change where LoRA is enabled or a layer is quantized; training changes neither.
    """

    def __init__(self, model: keras.Model):
        self._variables = [weakref.ref(variable) for variable in model.variables]
        self._policies = [layer.dtype_policy.name for layer in layers(model)]

    def is_of(self, model: keras.Model) -> bool:
        """Whether the model is still as it was."""
        variables = model.variables
        return (
            len(variables) == len(self._variables)
            and all(ref() is now for ref, now in zip(self._variables, variables, strict=True))
            and [layer.dtype_policy.name for layer in layers(model)] == self._policies
        )


def may_fuse(model: keras.Model) -> bool:
    """Whether all that is assumed of Keras holds; a warning names what does not."""
    broken = [what for what, holds in ASSUMPTIONS.items() if not _is_true(holds, model)]
    if broken:
        warnings.warn(
            f"Steps run one at a time: of Keras {keras.__version__} it does not hold that "
            + "; that ".join(broken),
            stacklevel=4,
        )
    return not broken


def _is_true(holds, model):
    try:
        return bool(holds(model))
    except Exception:  # whatever is missing in a Keras to come
        return False


def _names_in(method):
    return inspect.unwrap(method).__code__.co_names


def _arguments(model):
    given = {"x", "y", "batch_size", "verbose", "callbacks", "sample_weight"}
    of_fit = {"epochs", "validation_split", "validation_data", "shuffle", "class_weight"}
    of_fit |= {"steps_per_epoch", "validation_steps", "validation_batch_size"}
    fit = set(inspect.signature(keras.Model.fit).parameters)
    evaluate = set(inspect.signature(keras.Model.evaluate).parameters)
    return given | of_fit <= fit and given | {"steps"} <= evaluate


def _loops(model):
    shared = {"CallbackList", "steps_per_execution"}
    fit = {"make_train_function", "train_function", "evaluate", "on_epoch_begin"} | shared
    evaluate = {"make_test_function", "test_function"} | shared
    fits = fit <= set(_names_in(keras.Model.fit))
    return fits and evaluate <= set(_names_in(keras.Model.evaluate))


def _adapts(model):
    given = Counted(None, *[lambda: None] * 3)
    asked = {"get_numpy_iterator", "get_tf_dataset", "get_jax_iterator", "get_torch_dataloader"}
    asked |= {"num_batches", "on_epoch_begin", "on_epoch_end"}
    return data_adapters.get_data_adapter(given) is given and asked <= set(dir(DataAdapter))


def _flattens(model):
    found = {id(layer) for layer in model._flatten_layers()}
    return found >= {id(layer) for layer in [model, *model.layers]}


def _steps_of_jax(model):
    if keras.backend.backend() != "jax":
        return True
    steps = keras.Model.train_step, keras.Model.test_step
    return all([*inspect.signature(step).parameters][1:] == ["state", "data"] for step in steps)


def _state_of_jax(model):
    if keras.backend.backend() != "jax":
        return True
    parts = ["trainable_variables", "non_trainable_variables", "metrics_variables"]
    for train in (False, True):
        asked = [*parts, "optimizer_variables"] if train else parts
        state = model._get_jax_state(**dict.fromkeys(asked, True))
        ours = [variable.value for variable in model.metrics_variables]
        theirs = metrics_state(state)
        if len(theirs) != len(ours) or any(a is not b for a, b in zip(theirs, ours, strict=True)):
            return False
    return True


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
    "they take an adapter of data": _adapts,
    "all layers are found by `_flatten_layers`": _flattens,
    "steps on JAX take a state and data": _steps_of_jax,
    "the state of a step on JAX ends in that of the metrics": _state_of_jax,
    "`distribute_strategy` is that of TensorFlow": _strategy,
    "draws on torch are seeded by `torch_seed_generator`": _draws_of_torch,
    "Adam keeps `_momentums` and `_velocities`, and calls `_backend_update_step`": _adam_of_torch,
}
