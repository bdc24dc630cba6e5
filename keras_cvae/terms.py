r"""Terms of the loss: a value for each example, until they are averaged.

A loss layer computes a tensor of shape `(batch,)`. Alone in a graph of the user's own, its mean
over the batch is its loss, by Keras's `add_loss`. Within a step of a `CVAE`, examples may have
weights, and the loss is

    1/batch \sum_i w_i term_i,

as it is for a loss that Keras compiles. The step collects it, and the averages by name for the
metrics: what is reported need not be what is minimised (`kl` beside `beta * kl`). (Keras knows by
Python's `id` whose loss is whose, and on JAX without compilation mistakes one for another.)
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator

import keras
from keras import ops

_STEP: contextvars.ContextVar[Step | None] = contextvars.ContextVar("step", default=None)


class Step:
    """A step of training or evaluation: the weights of its examples, the terms it reports.

    Args:
        sample_weight: Tensor of shape `(batch,)`, or None where all examples weigh 1.

    Attributes:
        losses: What is to be minimised, scalars.
        reported: Averages by name, scalars in nats.
    """

    def __init__(self, sample_weight=None):
        self.sample_weight = sample_weight
        self.losses = []
        self.reported = {}


@contextlib.contextmanager
def step(sample_weight=None) -> Iterator[Step]:
    """Weighs the examples of every loss layer that is called within, and collects the terms."""
    token = _STEP.set(Step(sample_weight))
    try:
        yield _STEP.get()
    finally:
        _STEP.reset(token)


def current() -> Step | None:
    """The step that is being computed, if any."""
    return _STEP.get()


class LossLayer(keras.layers.Layer):
    """A layer that adds a term to the loss, computed in float32 under every dtype policy."""

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that the layer reports."""
        return (self.name,)

    def add_term(self, term, weight=1.0):
        """Adds `weight` times the average of a term to the loss, and reports the average.

        Args:
            term: Tensor of shape `(batch,)`, in nats.
            weight: A number or a scalar tensor.
        """
        self.add_to_loss(weight * self.report(self.name, term))

    def add_to_loss(self, loss):
        """Adds a scalar to the loss: of the step, or else of whatever model Keras trains."""
        if current() is None:
            self.add_loss(loss)
        else:
            current().losses.append(loss)

    def report(self, name: str, term):
        """Returns the average of a term, and lets the metrics know it by a name."""
        mean = average(term)
        if current() is not None:
            current().reported[name] = mean
        return mean


def average(term):
    """The average of a term of shape `(batch,)`, with the weights of the step, if any."""
    weights = current() and current().sample_weight
    return ops.mean(term if weights is None else term * ops.cast(weights, term.dtype))
