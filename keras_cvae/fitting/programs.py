"""The functions that a model is compiled to: a program for each kind of step and batch size."""

from __future__ import annotations

import importlib
from collections.abc import Callable

import keras

from keras_cvae.fitting import inside

PROGRAMS = {name: f"keras_cvae.fitting.{name}_steps" for name in ("jax", "tensorflow", "torch")}


class Programs:
    """The compiled functions of a model, and the blocks that they take while `fit` runs.

    Args:
        steps: Number of steps in each call of a program, or `"auto"`.
        jit_compile: As passed to `compile`.
        have_keras_terms: Whether the model is compiled with a loss or metrics for Keras.

    Attributes:
        sources: By kind of step, `"train"` or `"test"`, the `Blocks` or `Streams` that `fit` or
            `evaluate` is reading, or None.
        of_keras: By kind of step, Keras's own function, for blocks of a single batch.
        fingerprint: The `inside.Fingerprint` of the model at the last `fit` or `evaluate`.
    """

    def __init__(self, steps, jit_compile, have_keras_terms=False):
        self.steps, self.jit_compile = steps, jit_compile
        self.have_keras_terms = have_keras_terms
        self.sources = {"train": None, "test": None}
        self.of_keras = {"train": None, "test": None}
        self.fingerprint = None
        self._compiled = {}

    @property
    def are_running(self) -> bool:
        """Whether `fit` or `evaluate` runs with fused steps."""
        return any(source is not None for source in self.sources.values())

    def can_run(self, model) -> bool:
        """Returns whether steps of a model are fused, on this backend and as it is compiled."""
        backend = keras.backend.backend()
        if not model.compiled or model.run_eagerly or self.have_keras_terms:
            return False
        is_divided = keras.distribution.distribution() is not None
        if backend not in PROGRAMS or (is_divided and backend != "jax"):
            return False
        if not (self.are_running or inside.may_fuse(model)):
            return False
        if backend == "torch":
            # Keras compiles each step by `torch.compile`, and makes processes share gradients.
            return not (model.jit_compile or inside.is_distributed())
        return inside.replicas(model) == 1 if backend == "tensorflow" else model.jit_compile

    def without_programs(self) -> Programs:
        """Returns a copy in which nothing is compiled."""
        programs = Programs(self.steps, self.jit_compile, self.have_keras_terms)
        programs.sources = self.sources
        return programs

    def program_for(self, model, kind: str, batch_size: int) -> Callable:
        """Returns the program of a kind of step and a batch size, made at its first use."""
        if (kind, batch_size) not in self._compiled:
            program = importlib.import_module(PROGRAMS[keras.backend.backend()]).Program
            self._compiled[kind, batch_size] = program(model, kind, batch_size, self.jit_compile)
        return self._compiled[kind, batch_size]
