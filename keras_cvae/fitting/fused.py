r"""A Keras model whose `fit` and `evaluate` take many steps in one compiled program.

Keras dispatches every optimizer step from Python, which for a small network costs more than its
arithmetic. Here Keras still runs the epochs, but what it iterates over are blocks of S batches, and
its train function is a program that takes the S steps of a block,

    for i in range(count): train_step(block[i * B : (i + 1) * B]).

`train_step` is the model's own, so that optimizer, schedule, moving averages, accumulated gradients
and metrics are Keras's. The last, partial batch is a step of its own. Arrays come in blocks by
`blocks`, streams of batches by `streams`.

In a distributed run and where `run_eagerly` is asked for, `fit` is left as it is.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect

import keras

from keras_cvae.data import inputs
from keras_cvae.fitting import blocks, custom_gradients, inside, streams
from keras_cvae.fitting.callbacks import BlockCallbacks, looks_at_batches

PROGRAMS = {name: f"keras_cvae.fitting.{name}_steps" for name in ("jax", "tensorflow", "torch")}


class FusedModel(keras.Model):
    """A Keras model whose `fit` and `evaluate`, given NumPy arrays or a stream, fuse steps."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._programs = _Programs("auto", "auto")

    def compile(self, *args, steps_per_execution="auto", jit_compile="auto", **kwargs):
        """Prepares the model for training: `keras.Model.compile`.

        Args:
            *args: As for `keras.Model.compile`.
            steps_per_execution: How many steps run in one program. `"auto"` chooses by the size of
                an example, and takes every step alone where a callback looks at batches; 1 turns
                it off. Callbacks are told of the last batch of each program.
            jit_compile: Whether XLA compiles the program. `"auto"`: where it is faster, which for
                TensorFlow on a CPU is where all layers allow it and none is a convolution. There
                XLA keeps some 20 MB of each program until the process ends: False for a search
                over hundreds of models. On torch True leaves each step to `torch.compile`, as
                Keras does.
            **kwargs: As for `keras.Model.compile`. With a loss or metrics of Keras's own, steps
                are not fused.

        Raises:
            ValueError: If `steps_per_execution` is neither `"auto"` nor a positive integer.
        """
        steps = steps_per_execution
        if steps != "auto" and not (isinstance(steps, int) and steps >= 1):
            raise ValueError(
                '`steps_per_execution` must be "auto" or an integer of at least 1. '
                f"Received: {steps!r}"
            )
        options = _bind(super().compile, *args, **kwargs)
        one = steps == "auto" or keras.backend.backend() == "torch"
        options["steps_per_execution"] = 1 if one else steps  # where Keras runs as it is
        super().compile(**{**options, "jit_compile": jit_compile})
        terms = [options[name] for name in ("loss", "metrics", "weighted_metrics")]
        self._programs = _Programs(steps, jit_compile, any(term is not None for term in terms))

    def get_compile_config(self):
        asked = {
            "steps_per_execution": self._programs.steps,
            "jit_compile": self._programs.jit_compile,
        }
        config = super().get_compile_config()
        return inside.portable({**config, **asked}) if config else config

    def compile_from_config(self, config):
        self.compile(**keras.saving.deserialize_keras_object(config))
        if self.built:
            self.optimizer.build(self.trainable_variables)

    def forget_programs(self) -> None:
        """Drops what is compiled for `fit` and `evaluate`, which then compile anew.

        To be called where something changed that is baked into a program, such as an attribute of
        a layer; other variables or dtype policies are noticed. Training may be under way.
        """
        self._programs = self._programs.afresh()
        self._make_again()

    def fit(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.fit`, its steps fused where it is given NumPy arrays or a stream.

        Raises:
            ValueError: If a batch size is no positive integer, or `validation_split` leaves
                nothing to train on or nothing to validate on.
        """
        options = _bind(super().fit, x, y, *args, **kwargs)
        for name in ("batch_size", "validation_batch_size"):
            blocks.check_batch_size(name, options[name])
        fraction = options["validation_split"]
        if fraction and options["validation_data"] is None and blocks.are_arrays(x, y):
            parts = blocks.split(x, y, fraction)
            if options["sample_weight"] is None:  # else Keras splits all three
                options.update(parts)
        self._notice_changes()
        train = test = None
        is_split = options["validation_data"] is None and options["validation_split"]
        if options["shuffle"] != "batch" and not is_split:  # else a stream, refused by Keras
            data, steps = (options["x"], options["y"]), options["steps_per_epoch"]
            train = self._fed("train", data, options, options["batch_size"], steps)
        if train is None:
            with streams.checked(self, options):
                return super().fit(**options)

        *data, weight = keras.utils.unpack_x_y_sample_weight(options["validation_data"])
        batch_size = options["validation_batch_size"] or options["batch_size"] or 32
        if weight is None:
            test = self._fed("test", data, options, batch_size, options["validation_steps"])
        if test is not None:
            feed = test.feed()
            options["validation_data"] = feed["x"], None
            batch_size, options["validation_steps"] = feed["batch_size"], feed["steps"]
        options["validation_batch_size"] = batch_size
        options["callbacks"] = BlockCallbacks(self, options, train, test)
        feed = train.feed()
        feed["steps_per_epoch"] = feed.pop("steps")
        with self._running(train, test):
            return super().fit(**{**options, "y": None, **feed})

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """`keras.Model.evaluate`, its steps fused where it is given NumPy arrays or a stream.

        Raises:
            ValueError: If `batch_size` is no positive integer.
        """
        options = _bind(super().evaluate, x, y, *args, **kwargs)
        if isinstance(options["callbacks"], BlockCallbacks):  # from within fit, which has fused it
            return super().evaluate(**options)
        blocks.check_batch_size("batch_size", options["batch_size"])
        self._notice_changes()
        test = self._fed("test", (x, y), options, options["batch_size"], options["steps"])
        if test is None:
            with self._running(self._programs.fed["train"], None), streams.checked(self, options):
                return super().evaluate(**options)
        feed = test.feed()
        options.update({name: feed[name] for name in ("x", "batch_size", "steps")}, y=None)
        options["callbacks"] = BlockCallbacks(self, options, None, test)
        with self._running(self._programs.fed["train"], test):
            return super().evaluate(**options)

    def predict(self, x, *args, **kwargs):
        """`keras.Model.predict`; each batch of a stream is checked."""
        options = {"x": x}
        with streams.checked(self, options):
            return super().predict(options["x"], *args, **kwargs)

    def train_step(self, *args):
        with custom_gradients.released():
            return super().train_step(*args)

    def test_step(self, *args):
        with custom_gradients.released():
            return super().test_step(*args)

    def zero_grad(self, set_to_none: bool = True):
        """Clears the gradients, on torch: also of variables that share a path with another.

        Keras finds those to clear by path, and would add up the gradients of the rest over steps.
        """
        for variable in self.trainable_variables:
            variable.value.grad = None

    def make_train_function(self, force=False):
        self._make("train", super().make_train_function, force)

    def make_test_function(self, force=False):
        self._make("test", super().make_test_function, force)

    def _make(self, kind, make_keras_function, force):
        programs = self._programs
        fed = programs.fed[kind]
        function = fed and fed.function(functools.partial(programs.compiled, self, kind))
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

    def batch_checker(self):
        """Returns a function of a batch of a stream, NumPy arrays, to what a step is to take.

        To be overridden where a batch may be wrong. One is made for each stream; it runs in a
        thread of its own, and raises a `ValueError` if a batch is not what the model takes.
        """
        return lambda batch: batch

    def is_fed_by_programs(self, kind: str) -> bool:
        """Whether steps of a kind, such as `"train"`, are fed with batches that were checked."""
        return self._programs.fed.get(kind) is not None

    def _fed(self, kind, data, options, batch_size, batches):
        """What programs are to run on, or None where Keras is to run as it is."""
        callbacks = options["callbacks"]
        weights = options["sample_weight"], options.get("class_weight")
        is_stream = inputs.is_stream(data[0])
        if not (inside.may_count(self) if is_stream else blocks.are_arrays(*data) and not batches):
            return None
        if any(weight is not None for weight in weights):
            return None
        if isinstance(callbacks, keras.callbacks.CallbackList) or not self._can_fuse():
            return None
        steps = self._programs.steps
        callbacks = keras.tree.flatten(callbacks or [])
        if steps == "auto" and any(looks_at_batches(callback, kind) for callback in callbacks):
            steps = 1
        shuffle = kind == "train" and options["shuffle"]
        if is_stream:
            adapter = inside.adapter(*data, shuffle=shuffle)
            return streams.Streams(self, adapter, steps, batches)
        data = tuple(part for part in data if part is not None)
        return blocks.Blocks(data, batch_size or 32, steps, shuffle)

    def _can_fuse(self):
        backend = keras.backend.backend()
        if not self.compiled or self.run_eagerly or self._programs.have_keras_terms:
            return False
        if backend not in PROGRAMS or keras.distribution.distribution() is not None:
            return False
        if not (self._programs.are_running or inside.may_fuse(self)):
            return False
        if backend == "torch":
            # Keras compiles each step by `torch.compile`, and makes processes share gradients.
            return not (self.jit_compile or inside.is_distributed())
        return inside.replicas(self) == 1 if backend == "tensorflow" else self.jit_compile

    @contextlib.contextmanager
    def _running(self, train, test):
        """Within it, Keras's loops run over these blocks, one block in one call."""
        programs = self._programs
        if train is test is programs.fed["train"] is programs.fed["test"] is None:
            yield
            return
        fed, steps = programs.fed, self.steps_per_execution
        functions = self.train_function, self.test_function
        programs.fed = {"train": train, "test": test}
        self._set_functions(*programs.of_keras.values(), 1)
        try:
            yield
        finally:
            for kind, ended in programs.fed.items():
                if ended is not None and ended is not fed[kind]:
                    ended.close()
            self._programs.fed = fed
            self._set_functions(*functions, steps)
            if self._programs is not programs:  # they were forgotten meanwhile
                self._make_again()

    def _set_functions(self, train, test, steps):
        self.train_function, self.test_function = train, test
        if self.steps_per_execution != steps:
            self.steps_per_execution, self.predict_function = steps, None  # made for so many steps


class _Programs:
    """The compiled programs of a model, and the blocks that they run on at present.

    Args:
        steps: How many steps run in one program, or `"auto"`.
        jit_compile: As given to `compile`.
        have_keras_terms: Whether the model is compiled with a loss or metrics.
    """

    def __init__(self, steps, jit_compile, have_keras_terms=False):
        self.steps, self.jit_compile = steps, jit_compile
        self.have_keras_terms = have_keras_terms
        self.fed = {"train": None, "test": None}
        self.of_keras = {"train": None, "test": None}  # Keras's functions, for blocks of one step
        self.fingerprint = None
        self._compiled = {}

    @property
    def are_running(self):
        return any(fed is not None for fed in self.fed.values())

    def afresh(self):
        programs = _Programs(self.steps, self.jit_compile, self.have_keras_terms)
        programs.fed = self.fed
        return programs

    def compiled(self, model, kind, batch_size):
        if (kind, batch_size) not in self._compiled:
            program = importlib.import_module(PROGRAMS[keras.backend.backend()]).Program
            self._compiled[kind, batch_size] = program(model, kind, batch_size, self.jit_compile)
        return self._compiled[kind, batch_size]


def _bind(method, *args, **kwargs):
    """The arguments of a call by name, defaults included."""
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    options = dict(bound.arguments)
    return {**options.pop("kwargs", {}), **options}
