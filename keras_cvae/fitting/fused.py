r"""How `fit` and `evaluate` run fast: many steps in one compiled program.

Keras dispatches every optimizer step from Python, which for a small network costs more than its
arithmetic. Here Keras still runs the epochs, but what it iterates over are blocks of S batches, and
its train function runs one program that takes the S steps of a block,

    for i in range(count): train_step(block[i * B : (i + 1) * B]),

a `tf.while_loop` in one function of TensorFlow, a `jax.lax.fori_loop` on JAX. `train_step` is the
model's own, so that optimizer, schedule, moving averages, accumulated gradients and metrics are
Keras's. The last, partial batch is a step of its own.

On torch, in a distributed run and where `run_eagerly` is asked for, `fit` is left as it is.
"""

from __future__ import annotations

import contextlib
import functools
import inspect

import keras
import numpy as np

from keras_cvae.fitting import blocks

CONVOLUTIONS = (
    keras.layers.Conv1D,
    keras.layers.Conv2D,
    keras.layers.Conv3D,
    keras.layers.Conv1DTranspose,
    keras.layers.Conv2DTranspose,
    keras.layers.Conv3DTranspose,
    keras.layers.DepthwiseConv1D,
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv1D,
    keras.layers.SeparableConv2D,
)


class FusedModel(keras.Model):
    """A Keras model whose `fit` and `evaluate`, given NumPy arrays, fuse their steps."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._programs = _Programs("auto", "auto")

    def compile(self, *args, steps_per_execution="auto", jit_compile="auto", **kwargs):
        """Prepares the model for training: `keras.Model.compile`.

        Args:
            *args: As for `keras.Model.compile`.
            steps_per_execution: How many steps run in one program. `"auto"` chooses by the size of
                an example, and takes every step alone where a callback may want to see each batch;
                1 turns it off. Callbacks are told of the last batch of each program.
            jit_compile: Whether XLA compiles the program. `"auto"`: where it is faster, which for
                TensorFlow on a CPU is where there are no convolutions.
            **kwargs: As for `keras.Model.compile`.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive integer.
        """
        steps = steps_per_execution
        if steps != "auto" and not (isinstance(steps, int) and steps >= 1):
            raise ValueError(
                '`steps_per_execution` must be "auto" or an integer of at least 1. '
                f"Received: {steps!r}"
            )
        one = steps == "auto" or keras.backend.backend() == "torch"
        keras_steps = 1 if one else steps  # for streams of batches
        super().compile(*args, steps_per_execution=keras_steps, jit_compile=jit_compile, **kwargs)
        self._programs = _Programs(steps, jit_compile)

    def get_compile_config(self):
        asked = {
            "steps_per_execution": self._programs.steps,
            "jit_compile": self._programs.jit_compile,
        }
        config = super().get_compile_config()
        return {**config, **asked} if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def fit(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.fit`, its steps fused where `x` and `y` are NumPy arrays."""
        options = _bind(super().fit, x, y, *args, **kwargs)
        fraction = options["validation_split"]
        if fraction and options["validation_data"] is None and blocks.are_arrays(x, y):
            options.update(blocks.split(x, y, fraction))
        train = test = None
        if not options["steps_per_epoch"] and options["shuffle"] != "batch":
            data = options["x"], options["y"]
            train = self._blocks(data, options, options["batch_size"], options["shuffle"])
        if train is None:
            return super().fit(**options)

        held_out = options["validation_data"]
        batch_size = options["validation_batch_size"] or train.batch_size
        if isinstance(held_out, (list, tuple)) and not options["validation_steps"]:
            test = self._blocks(held_out, options, batch_size)
        if test is not None:
            feed = test.feed()
            options["validation_data"] = feed["x"], None
            batch_size, options["validation_steps"] = feed["batch_size"], feed["steps"]
        options["validation_batch_size"] = batch_size
        options["callbacks"] = blocks.BlockCallbacks(self, options, train, test)
        feed = train.feed()
        feed["steps_per_epoch"] = feed.pop("steps")
        with self._fused(train, test):
            return super().fit(**{**options, "y": None, **feed})

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`, its steps fused where `x` and `y` are NumPy arrays."""
        options = _bind(super().evaluate, x, y, *args, **kwargs)
        if options.get("_use_cached_eval_dataset"):  # from within fit, which has fused it
            return super().evaluate(**options)
        test = None
        if not options["steps"]:
            test = self._blocks((x, y), options, options["batch_size"])
        if test is not None:
            feed = test.feed()
            options.update({name: feed[name] for name in ("x", "batch_size", "steps")}, y=None)
            options["callbacks"] = blocks.BlockCallbacks(self, options, None, test)
        with self._fused(self._programs.train, test):
            return super().evaluate(**options)

    def make_train_function(self, force=False):
        if self._programs.train is None or self._programs.train.steps == 1:
            return super().make_train_function(force)
        self.train_function = self._programs.function(self, "train")

    def make_test_function(self, force=False):
        if self._programs.test is None or self._programs.test.steps == 1:
            return super().make_test_function(force)
        self.test_function = self._programs.function(self, "test")

    def _blocks(self, data, options, batch_size, shuffle=False):
        """What the programs are to run on, or None where Keras is to run as it is."""
        callbacks = options["callbacks"]
        if not (self.compiled and self._can_fuse()) or not blocks.are_arrays(*data):
            return None
        if isinstance(callbacks, keras.callbacks.CallbackList):
            return None
        steps = self._programs.steps
        if steps == "auto" and any(map(blocks.sees_batches, keras.tree.flatten(callbacks or []))):
            steps = 1
        data = tuple(part for part in data if part is not None)
        found = blocks.Blocks(data, batch_size or 32, steps, shuffle)
        return found if found.needed else None

    def _can_fuse(self):
        compiled_terms = self._compile_loss or self._compile_metrics
        if self.run_eagerly or compiled_terms or keras.distribution.distribution() is not None:
            return False
        if keras.backend.backend() == "tensorflow":
            return self.distribute_strategy.num_replicas_in_sync == 1
        return keras.backend.backend() == "jax" and self.jit_compile

    @contextlib.contextmanager
    def _fused(self, train, test):
        programs = self._programs
        if train is test is programs.train is programs.test is None:
            yield
            return
        before = programs.train, programs.test
        functions = self.train_function, self.test_function, self.steps_per_execution
        programs.train, programs.test = train, test
        self.test_function, self.steps_per_execution = None, 1
        try:
            yield
        finally:
            programs.train, programs.test = before
            self.train_function, self.test_function, self.steps_per_execution = functions


class _Programs:
    """The compiled programs of a model, and the blocks that they run on at present."""

    def __init__(self, steps, jit_compile):
        self.steps, self.jit_compile = steps, jit_compile
        self.train = self.test = None
        self._compiled = {}

    def function(self, model, kind):
        """What Keras calls as its train or test function: takes a block, returns the logs."""
        fed = getattr(self, kind)
        if (kind, fed.batch_size) not in self._compiled:
            self._compiled[kind, fed.batch_size] = self._compile(model, kind, fed.batch_size)
        loop, last = self._compiled[kind, fed.batch_size]

        def run(*args):
            *state, iterator = args  # a state comes first on JAX
            rows, block = next(iterator)
            count, remainder = divmod(int(rows), fed.batch_size)
            outputs = None
            if count:
                outputs = loop(*state, block, np.int32(count))
            if remainder:
                if state and count:
                    state = [outputs[1]]
                first = count * fed.batch_size
                partial = slice(first, first + remainder)
                outputs = last(*state, keras.tree.map_structure(lambda a: a[partial], block))
            return outputs

        return run

    def _compile(self, model, kind, batch_size):
        step = getattr(model, f"{kind}_step")
        if keras.backend.backend() == "jax":
            return _compile_jax(model, step, batch_size)
        if kind == "train" and not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        # On a CPU Keras does without XLA, but a loop of small matrix products gains by it.
        train_jit = self.jit_compile == "auto" and not _has_convolutions(model)
        jit_compile = model.jit_compile or (kind == "train" and train_jit)
        return _compile_tensorflow(model, step, batch_size, jit_compile)


def _compile_tensorflow(model, step, batch_size, jit_compile):
    import tensorflow as tf

    @tf.function(jit_compile=jit_compile, autograph=False)
    def loop(block, count):
        def body(i):
            def rows(array):
                start = [i * batch_size] + [0] * (len(array.shape) - 1)
                return tf.slice(array, start, [batch_size, *array.shape[1:]])

            step(keras.tree.map_structure(rows, block))
            return (i + 1,)

        tf.while_loop(lambda i: i < count, body, (tf.constant(0),))
        return model.get_metrics_result()

    @tf.function(jit_compile=model.jit_compile, autograph=False)
    def last(batch):
        step(batch)
        return model.get_metrics_result()

    return loop, last


def _compile_jax(model, step, batch_size):
    import jax

    from keras_cvae.fitting import jax_convolutions

    if jax.default_backend() == "cpu":
        step = jax_convolutions.in_fast_layout(step)

    def logs(state):
        metrics = zip(model.metrics_variables, state[-1], strict=True)
        with keras.StatelessScope(state_mapping=list(metrics)):
            return model.get_metrics_result()

    @functools.partial(jax.jit, donate_argnums=0)
    def loop(state, block, count):
        def body(i, state):
            def rows(array):
                return jax.lax.dynamic_slice_in_dim(array, i * batch_size, batch_size)

            return step(state, keras.tree.map_structure(rows, block))[1]

        state = jax.lax.fori_loop(0, count, body, state)
        return logs(state), state

    @functools.partial(jax.jit, donate_argnums=0)
    def last(state, batch):
        _, state = step(state, batch)
        return logs(state), state

    return loop, last


def _has_convolutions(model):
    return any(isinstance(layer, CONVOLUTIONS) for layer in model._flatten_layers())


def _bind(method, *args, **kwargs):
    """The arguments of a call by name, defaults included."""
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    options = dict(bound.arguments)
    return {**options.pop("kwargs", {}), **options}
