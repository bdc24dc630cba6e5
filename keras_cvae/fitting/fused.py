"""A Keras model whose `fit` and `evaluate` take many steps in each call of the train function.

For a small network Keras's work between two optimizer steps takes longer than the steps. Here Keras
still runs the epochs, but it iterates over blocks of S batches, and its train function is a program
that takes the S steps of a block,

    for i in range(count): train_step(block[i * B : (i + 1) * B]).

`train_step` is the model's own, so that optimizer, schedule, moving averages, accumulated gradients
and metrics are Keras's. The last, partial batch is a step of its own. `blocks` makes blocks of
arrays, `streams` of streams of batches.

Over the devices of a `keras.distribution` on JAX the batches of a block are divided among them.
Under a strategy of TensorFlow, in processes of torch, and with `run_eagerly`, `fit` is Keras's own.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import keras

from keras_cvae.checks import ArgumentError
from keras_cvae.fitting import (
    blocks,
    custom_gradients,
    inside,
    keeping,
    sharding,
    sources,
    streams,
    training_settings,
)
from keras_cvae.fitting.callbacks import BlockCallbacks
from keras_cvae.fitting.programs import Programs


class FusedModel(keras.Model):
    """A Keras model whose `fit` and `evaluate` fuse steps for NumPy arrays and streams."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._programs = Programs("auto", "auto")
        self._is_skipping = False

    def compile(self, *args, steps_per_execution="auto", jit_compile="auto", **kwargs) -> None:
        """Prepares the model for training: `keras.Model.compile`.

        Args:
            *args: As for `keras.Model.compile`.
            steps_per_execution: Number of steps in each call of the train function, after which
                callbacks are called. `"auto"` chooses it by the size of an example, and takes 1
                where a callback has a hook for batches; 1 turns fusing off.
            jit_compile: Whether XLA compiles the steps. `"auto"`: where it is faster, which for
                TensorFlow on a CPU is where all layers support it and none is a convolution. There
                XLA keeps some 20 MB of each model until the process ends, 8 MB more where the
                likelihood is measured: pass False in a search over hundreds of models. On torch,
                with True `torch.compile` compiles each step, as in Keras.
            **kwargs: As for `keras.Model.compile`. With a `loss` or `metrics` for Keras, steps are
                not fused.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive integer.
        """
        steps = steps_per_execution
        if steps != "auto" and not (isinstance(steps, int) and steps >= 1):
            expected = 'must be "auto" or an integer of at least 1'
            raise ArgumentError("steps_per_execution", expected, repr(steps))
        options = sources.arguments(super().compile, *args, **kwargs)
        one = steps == "auto" or keras.backend.backend() == "torch"
        options["steps_per_execution"] = 1 if one else steps  # where Keras runs as it is
        super().compile(**{**options, "jit_compile": jit_compile})
        terms = [options[name] for name in ("loss", "metrics", "weighted_metrics")]
        self._programs = Programs(steps, jit_compile, any(term is not None for term in terms))

    @property
    def may_use_xla(self) -> bool:
        """Whether XLA may compile the model: unless `compile` got `jit_compile=False`."""
        return self._programs.jit_compile is not False

    def get_compile_config(self) -> dict | None:
        arguments = {
            "steps_per_execution": self._programs.steps,
            "jit_compile": self._programs.jit_compile,
        }
        config = super().get_compile_config()
        return inside.portable({**config, **arguments}) if config else config

    def compile_from_config(self, config) -> None:
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def forget_programs(self) -> None:
        """Drops the compiled functions of `fit` and `evaluate`, which then compile again.

        To be called after a change of something that a compiled function depends on, such as an
        attribute of a layer; new variables and dtype policies are noticed without. It may be called
        during training.
        """
        self._programs = self._programs.without_programs()
        self._make_again()

    def fit(self, x=None, y=None, *args, **kwargs) -> keras.callbacks.History:
        """Trains as `keras.Model.fit`, with fused steps for NumPy arrays and streams.

        Raises:
            ValueError: If a batch size is not a positive integer, or `validation_split` leaves no
                examples for training or none for validation; or if there are several processes that
                Keras does not join, on TensorFlow and torch.
        """
        options = sources.arguments(super().fit, x, y, *args, **kwargs)
        inside.check_processes(self)
        sharding.check_weights(self)
        for name in ("batch_size", "validation_batch_size"):
            blocks.check_batch_size(name, options[name])
        options = sources.split_off(options)
        self._notice_changes()
        inside.begin_at(self, None)  # where a resumed `fit` before this one began
        keeper = keeping.keeper_of(options["callbacks"])
        of_fit = keeper and training_settings.of(self, options)
        train = test = None
        is_split = options["validation_data"] is None and options["validation_split"]
        if options["shuffle"] != "batch" and not is_split:  # else a stream, refused by Keras
            data, steps = (options["x"], options["y"]), options["steps_per_epoch"]
            train = self._source("train", data, options, options["batch_size"], steps)
        if train is None:
            sharding.check_read_by_keras(options["x"])
            with streams.check_batches(self, options):
                if keeper is not None:
                    batches = sources.batches(options)
                    kept = keeping.KeptCallbacks(self, options, None, None, keeper, of_fit, batches)
                    options["callbacks"] = kept
                return super().fit(**options)

        *data, weight = keras.utils.unpack_x_y_sample_weight(options["validation_data"])
        batch_size = options["validation_batch_size"] or options["batch_size"] or 32
        if weight is None:
            test = self._source("test", data, options, batch_size, options["validation_steps"])
        if test is not None:
            feed = test.fit_arguments()
            options["validation_data"] = feed["x"], None
            batch_size, options["validation_steps"] = feed["batch_size"], feed["steps"]
        options["validation_batch_size"] = batch_size
        if keeper is None:
            options["callbacks"] = BlockCallbacks(self, options, train, test)
        else:
            kept = keeping.KeptCallbacks(self, options, train, test, keeper, of_fit)
            options["callbacks"] = kept
        feed = train.fit_arguments()
        feed["steps_per_epoch"] = feed.pop("steps")
        with self._running(train, test):
            return super().fit(**{**options, "y": None, **feed})

    def evaluate(self, x=None, y=None, *args, **kwargs) -> Any:
        """Evaluates as `keras.Model.evaluate`, with fused steps for NumPy arrays and streams.

        Raises:
            ValueError: If `batch_size` is not a positive integer.
        """
        options = sources.arguments(super().evaluate, x, y, *args, **kwargs)
        if isinstance(options["callbacks"], BlockCallbacks):  # called by fit, with fused steps
            return super().evaluate(**options)
        blocks.check_batch_size("batch_size", options["batch_size"])
        self._notice_changes()
        test = self._source("test", (x, y), options, options["batch_size"], options["steps"])
        if test is None:
            # Within `fit` Keras goes on with a stream that it has begun to read.
            is_within_fit = isinstance(options["callbacks"], keras.callbacks.CallbackList)
            checked = (
                contextlib.nullcontext() if is_within_fit else streams.check_batches(self, options)
            )
            with self._running(self._programs.sources["train"], None), checked:
                return super().evaluate(**options)
        feed = test.fit_arguments()
        options.update({name: feed[name] for name in ("x", "batch_size", "steps")}, y=None)
        options["callbacks"] = BlockCallbacks(self, options, None, test)
        with self._running(self._programs.sources["train"], test):
            return super().evaluate(**options)

    def predict(self, x, *args, **kwargs) -> Any:
        """Predicts as `keras.Model.predict`; checks each batch of a stream."""
        options = {"x": x}
        with streams.check_batches(self, options):
            return super().predict(options["x"], *args, **kwargs)

    def train_step(self, *args) -> Any:
        with custom_gradients.forget():
            return super().train_step(*args)

    def test_step(self, *args) -> Any:
        with custom_gradients.forget():
            return super().test_step(*args)

    def skip_steps(self, is_on: bool) -> None:
        """Makes `fit` read its data and take no step; to be called by callbacks of `fit`."""
        if is_on != self._is_skipping:
            self._is_skipping = is_on
            self._make_again()

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients on torch, also of variables that have the path of another.

        Keras looks variables up by path, and would sum up the gradients of the others over steps.
        """
        for variable in self.trainable_variables:
            variable.value.grad = None

    def make_train_function(self, force=False) -> None:
        # Of a step that creates the optimizer's variables TensorFlow traces a second one without.
        if not self.optimizer.built and inside.replicas(self) == 1:
            self.optimizer.build(self.trainable_variables)
        self._make("train", super().make_train_function, force)

    def make_test_function(self, force=False) -> None:
        self._make("test", super().make_test_function, force)

    def _make(self, kind, make_keras_function, force):
        programs = self._programs
        source = programs.sources[kind]
        if self._is_skipping:
            setattr(self, f"{kind}_function", keeping.reading_alone(self, source))
            return
        function = source and source.function(functools.partial(programs.program_for, self, kind))
        if function:
            setattr(self, f"{kind}_function", function)
            return
        make_keras_function(force)
        if programs.are_running:
            programs.of_keras[kind] = getattr(self, f"{kind}_function")

    def _make_again(self):
        made = self.train_function, self.test_function
        self.train_function = self.test_function = None
        for function, make in zip(
            made, (self.make_train_function, self.make_test_function), strict=True
        ):
            if function is not None:
                make(force=True)

    def _notice_changes(self):
        compiled_for = self._programs.fingerprint
        if compiled_for is not None and not compiled_for.is_of(self):
            self.forget_programs()
        self._programs.fingerprint = inside.Fingerprint(self)

    def batch_checker(self) -> Callable:
        """Returns a function that checks a batch of a stream and returns the input of a step.

        A subclass overrides it to check batches. It is called once for each stream; the function
        takes NumPy arrays, runs in a thread of its own, and raises a `ValueError` for a batch that
        the model cannot take.
        """
        return lambda batch: batch

    def takes_checked_batches(self, kind: str) -> bool:
        """Returns whether the batches of a step, `"train"` or `"test"`, were checked before."""
        return self._programs.sources.get(kind) is not None

    def _source(self, kind, data, options, batch_size, batches):
        """Returns the `Blocks` or `Streams` for fused steps, or None if steps are not fused."""
        takes_steps = self._programs.can_run(self)
        if not takes_steps or not sources.can_be_fused(self, data, options, batches):
            return None
        steps = sources.steps(kind, options["callbacks"], self._programs.steps)
        shuffle = kind == "train" and options["shuffle"]
        source = sources.source(self, data, batch_size, batches, steps, shuffle)
        if kind == "train" and isinstance(source, blocks.Blocks):
            sharding.check_batch_size(source.batch_size)
        return source

    @contextlib.contextmanager
    def _running(self, train, test):
        """Makes Keras's loops iterate over blocks and call programs inside the context."""
        programs = self._programs
        if train is test is programs.sources["train"] is programs.sources["test"] is None:
            yield
            return
        before, steps = programs.sources, self.steps_per_execution
        functions = self.train_function, self.test_function
        programs.sources = {"train": train, "test": test}
        self._set_functions(*programs.of_keras.values(), 1)
        try:
            yield
        finally:
            for kind, source in programs.sources.items():
                if source is not None and source is not before[kind]:
                    source.close()
            self._programs.sources = before
            self._set_functions(*functions, steps)
            if self._programs is not programs:  # a callback called `forget_programs`
                self._make_again()

    def _set_functions(self, train, test, steps):
        self.train_function, self.test_function = train, test
        if self.steps_per_execution != steps:
            self.steps_per_execution, self.predict_function = steps, None  # it depends on the steps
