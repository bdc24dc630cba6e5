r"""Terms of the loss: a value for each example, until they are averaged.

A loss layer computes a tensor of shape `(batch,)`. Alone in a graph of the user's own, its mean
over the batch is its loss, by Keras's `add_loss`. Within a step of a `CVAE`, examples may have
weights, and the loss is

    1/batch \sum_i w_i term_i,

as it is for a loss that Keras compiles. The step collects it, and the averages by name for the
metrics: what is reported need not be what is minimised (`kl` beside `beta * kl`). (Keras knows by
Python's `id` whose loss is whose, and on JAX without compilation mistakes one for another.)

Where an unknown label is enumerated, an example is K rows, next to each other, and a term has a
value for each row. `split` tells the step what they weigh, and the average is

    1/batch \sum_i w_i \sum_k v_ik term_ik,   \sum_k v_ik = 1.
"""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Mapping

import keras
from keras import ops

from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor

_STEP: contextvars.ContextVar[Step | None] = contextvars.ContextVar("step", default=None)


class Step:
    """A step of training or evaluation: the weights of its examples, the terms it reports.

    Args:
        sample_weight: Tensor of shape `(batch,)`, or None where all examples weigh 1.
        is_checked: Whether labels were checked before the step.

    Attributes:
        row_weight: What the rows of terms weigh: those of the examples, until `split`.
        rows: How many rows an example has, of the terms to come.
        losses: What is to be minimised, scalars.
        reported: Averages by name, scalars in nats.
        of_examples: By name what the averages are of, tensors of shape `(batch,)`.
    """

    def __init__(self, sample_weight=None, is_checked: bool = True):
        self.sample_weight = self.row_weight = sample_weight
        self.rows = 1
        self.is_checked = is_checked
        self.losses = []
        self.reported = {}
        self.of_examples = {}

    def report(self, name: str, term):
        """Returns the average of a term, of shape `(batch * rows,)`, and keeps it by its name."""
        weighted = _weighted(term)
        self.of_examples[name] = ops.mean(ops.reshape(weighted, (-1, self.rows)), axis=1)
        self.reported[name] = ops.mean(weighted, axis=0)
        return self.reported[name]


@contextlib.contextmanager
def step(sample_weight=None, is_checked: bool = True) -> Iterator[Step]:
    """Weighs the examples of every loss layer that is called within, and collects the terms."""
    token = _STEP.set(Step(sample_weight, is_checked))
    try:
        yield _STEP.get()
    finally:
        _STEP.reset(token)


def current() -> Step | None:
    """The step that is being computed, if any."""
    return _STEP.get()


def are_checked() -> bool:
    """Whether this is a step whose labels were checked before."""
    step = current()
    return step is not None and step.is_checked


def split(weights) -> None:
    """From here on, terms of the step have K rows for each example. Without a step, nothing.

    Args:
        weights: Tensor of shape `(batch, K)`: what the rows weigh, a sum of 1 for each example.
    """
    step = current()
    if step is not None:
        if step.sample_weight is not None:
            of_examples = ops.cast(ops.reshape(step.sample_weight, (-1, 1)), weights.dtype)
            weights = weights * of_examples
        step.rows = weights.shape[-1]
        step.row_weight = step.rows * ops.reshape(weights, (-1,))


class LossLayer(Float32Layer):
    """A layer that adds a term to the loss, computed in float32 under every dtype policy.

    Attributes:
        compares_examples: Whether its term is of the examples of a batch with each other, so that
            none of them may be in it twice.
        term: What a `CVAE` that a user wired calls the term, whatever the layer's name.
        units: The unit of each name that it reports which is not in nats per example.
    """

    compares_examples = False
    term: str | None = None
    units: Mapping[str, str] = {}

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that the layer reports."""
        return (self.name,)

    @property
    def setting_names(self) -> tuple[str, ...]:
        """Names of the numbers that it reports beside its terms, as they are at the last step."""
        return ()

    def on_fit_begin(self, examples: int | None, steps: int | None, epochs: int) -> None:
        """Called by the `fit` of a `CVAE` before its first step.

        Args:
            examples: How many it trains on; None where they are a stream.
            steps: How many steps make an epoch, or None where that is not known.
            epochs: How many epochs are to come.
        """

    def on_fit_end(self) -> None:
        """Called by the `fit` of a `CVAE` after its last step."""

    def add_term(self, term, weight=1.0) -> None:
        """Adds `weight` times the average of a term to the loss, and reports the average.

        Args:
            term: Tensor of shape `(batch,)`, in nats.
            weight: A number or a scalar tensor.
        """
        self.add_to_loss(weight * self.report(self.name, term))

    def add_to_loss(self, loss) -> None:
        """Adds a scalar to the loss: of the step, or else of whatever model Keras trains."""
        if current() is None:
            self.add_loss(loss)
        else:
            current().losses.append(loss)

    def report(self, name: str, term) -> Tensor:
        """Returns the average of a term, and lets the metrics know it by a name."""
        step = current()
        return average(term) if step is None else step.report(name, term)

    def report_setting(self, name: str, value) -> None:
        """Lets the metrics know a scalar tensor by a name."""
        if current() is not None:
            current().reported[name] = value


class Latest(keras.metrics.Metric):
    """A scalar as it was at the last step."""

    def __init__(self, name: str):
        super().__init__(name=name)
        self.value = self.add_variable((), "zeros", aggregation="only_first_replica", name="value")

    def update_state(self, value, sample_weight=None) -> None:
        self.value.assign(value)

    def result(self) -> Tensor:
        return 1.0 * ops.convert_to_tensor(self.value)  # a copy, which validation does not change


def average(term) -> Tensor:
    """The average over the batch, with the weights of the step, if any.

    Args:
        term: Tensor of shape `(batch, ...)`, or `(batch * K, ...)` where examples were `split`.

    Returns:
        Tensor of shape `(...)`.
    """
    return ops.mean(_weighted(term), axis=0)


def _weighted(term):
    weights = current() and current().row_weight
    if weights is None:
        return term
    return term * ops.reshape(ops.cast(weights, term.dtype), (-1, *[1] * (len(term.shape) - 1)))


def average_of_rows(values) -> Tensor:
    """The average of what each row of a step has, however many rows an example is.

    Args:
        values: Tensor of shape `(rows,)`: of examples, of K samples of each, or as they were
            `split`.

    Returns:
        A scalar: rows count as they weigh in the loss, all alike where all weigh 0.
    """
    weights = current() and current().row_weight
    if weights is None:
        return ops.mean(values)
    weights = ops.cast(ops.reshape(weights, (-1,)), values.dtype)
    total = ops.sum(weights)
    weights = ops.where(total > 0, weights, 1.0)
    of_examples = ops.mean(ops.reshape(values, (ops.shape(weights)[0], -1)), axis=1)
    return ops.sum(weights * of_examples) / ops.sum(weights)
