r"""Terms of the loss: a value for each example, averaged over the batch.

A loss layer computes a tensor of shape `(batch,)`. In a user's graph its mean over the batch is
added by Keras's `add_loss`. In a step of a `CVAE`, examples may have weights, and the loss is

    1/batch \sum_i w_i term_i,

as for a loss that Keras compiles. The step collects it, and the averages by name for the metrics:
the reported value may differ from the minimised one (`kl` and `beta * kl`). (Keras identifies
losses by Python's `id`, and on JAX without compilation confuses them.)

With an enumerated label an example is K adjacent rows, and a term has a value for each row. `split`
sets their weights v, and the average is

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
    """A step of training or evaluation: the weights of its examples, and the terms it reports.

    Args:
        sample_weight: Tensor of shape `(batch,)`, or None where all examples weigh 1.
        is_checked: Whether labels were checked before the step.

    Attributes:
        row_weight: Weights of the rows of terms: those of the examples, unless `split` sets others.
        rows: The number of rows of each example in later terms.
        losses: The scalars whose sum is minimised.
        reported: Averages over the batch by name, scalars in nats.
        of_examples: Terms of each example by name, tensors of shape `(batch,)`.
    """

    def __init__(self, sample_weight=None, is_checked: bool = True):
        self.sample_weight = self.row_weight = sample_weight
        self.rows = 1
        self.is_checked = is_checked
        self.losses = []
        self.reported = {}
        self.of_examples = {}

    def report(self, name: str, term) -> Tensor:
        """Returns the average of a term of shape `(batch * rows,)`, and stores it by name."""
        weighted = _weigh(term)
        self.of_examples[name] = ops.mean(ops.reshape(weighted, (-1, self.rows)), axis=1)
        self.reported[name] = ops.mean(weighted, axis=0)
        return self.reported[name]


@contextlib.contextmanager
def step(sample_weight=None, is_checked: bool = True) -> Iterator[Step]:
    """Weighs the examples in every loss layer called inside the context, and collects the terms."""
    token = _STEP.set(Step(sample_weight, is_checked))
    try:
        yield _STEP.get()
    finally:
        _STEP.reset(token)


def current() -> Step | None:
    """Returns the current step, or None outside of one."""
    return _STEP.get()


def are_checked() -> bool:
    """Returns whether the labels of the current step have been checked."""
    step = current()
    return step is not None and step.is_checked


def split(weights) -> None:
    """Declares that each example has K rows in later terms of the current step, if there is one.

    Args:
        weights: Weights of the rows, of shape `(batch, K)`, with a sum of 1 for each example.
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
        compares_examples: Whether the term compares the examples of a batch with each other, so
            that a batch must not contain an example twice.
        term: Name of the term in a `CVAE` that a user wired, whatever the name of the layer.
        units: Dict from the names of reported values that are not in nats per example to units.
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
        """Names of the settings that the layer reports, with their value in the last step."""
        return ()

    def on_fit_begin(self, examples: int | None, steps: int | None, epochs: int) -> None:
        """Prepares for a training. `CVAE.fit` calls it before the first step.

        Args:
            examples: The number of training examples, or None for a stream.
            steps: The number of steps of an epoch, or None if it is unknown.
            epochs: The number of epochs of this `fit`.
        """

    def on_fit_end(self) -> None:
        """Ends a training. `CVAE.fit` calls it after the last step."""

    def add_term(self, term, weight=1.0) -> None:
        """Adds `weight` times the average of a term to the loss, and reports the average.

        Args:
            term: Tensor of shape `(batch,)`, in nats.
            weight: A number or a scalar tensor.
        """
        self.add_to_loss(weight * self.report(self.name, term))

    def add_to_loss(self, loss) -> None:
        """Adds a scalar to the loss of the current step; outside a step, calls `add_loss`."""
        if current() is None:
            self.add_loss(loss)
        else:
            current().losses.append(loss)

    def report(self, name: str, term) -> Tensor:
        """Reports the average of a term under a name, and returns it."""
        step = current()
        return average(term) if step is None else step.report(name, term)

    def report_setting(self, name: str, value) -> None:
        """Reports a scalar tensor under a name."""
        if current() is not None:
            current().reported[name] = value


class Latest(keras.metrics.Metric):
    """The value of a scalar at the last step."""

    def __init__(self, name: str):
        super().__init__(name=name)
        self.value = self.add_variable((), "zeros", aggregation="only_first_replica", name="value")

    def update_state(self, value, sample_weight=None) -> None:
        self.value.assign(value)

    def result(self) -> Tensor:
        return 1.0 * ops.convert_to_tensor(self.value)  # a copy that validation does not change


def average(term) -> Tensor:
    """Returns the average over the batch, with the weights of the step, if any.

    Args:
        term: Tensor of shape `(batch, ...)`, or `(batch * K, ...)` where examples were `split`.

    Returns:
        Tensor of shape `(...)`.
    """
    return ops.mean(_weigh(term), axis=0)


def _weigh(term):
    weights = current() and current().row_weight
    if weights is None:
        return term
    return term * ops.reshape(ops.cast(weights, term.dtype), (-1, *[1] * (len(term.shape) - 1)))


def average_of_rows(values) -> Tensor:
    """Returns the average over all rows of a step, with their weights in the loss.

    Args:
        values: Tensor of shape `(rows,)`: one row, K samples, or the `split` rows of each example.

    Returns:
        A scalar; rows have equal weights if all weights are 0.
    """
    weights = current() and current().row_weight
    if weights is None:
        return ops.mean(values)
    weights = ops.cast(ops.reshape(weights, (-1,)), values.dtype)
    total = ops.sum(weights)
    weights = ops.where(total > 0, weights, 1.0)
    of_examples = ops.mean(ops.reshape(values, (ops.shape(weights)[0], -1)), axis=1)
    return ops.sum(weights * of_examples) / ops.sum(weights)
