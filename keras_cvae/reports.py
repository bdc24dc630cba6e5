"""The values that `fit` and `evaluate` report: terms of the loss, the ELBO, metrics of images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import fitting, terms

ACCURACY, CROSSENTROPY = "BinaryAccuracy", "BinaryCrossentropy"
BINARY = {"accuracy": ACCURACY, "acc": ACCURACY, "crossentropy": CROSSENTROPY}
ELBO, RATE = "elbo", "rate"


class Reports:
    """The metrics of a `CVAE`, and their update in each step.

    Args:
        layers: The model's layers; some report terms and settings.
        renamed: Dict from names of layers to the names under which their terms are reported.
        elbo_terms: Names of the terms whose sum is minus the ELBO, `reconstruction` first.
    """

    def __init__(
        self,
        layers: Sequence[keras.layers.Layer],
        renamed: Mapping[str, str],
        elbo_terms: Sequence[str],
    ):
        names = [name for layer in layers for name in getattr(layer, "term_names", ())]
        loss_layers = [layer for layer in layers if isinstance(layer, terms.LossLayer)]
        settings = dict.fromkeys(name for layer in loss_layers for name in layer.setting_names)
        self.renamed, self.elbo_terms = dict(renamed), tuple(elbo_terms)
        names = [self.renamed.get(name, name) for name in names]
        self.terms: list[keras.metrics.Metric] = [*map(BatchMean, [*names, ELBO])]
        self.settings: list[keras.metrics.Metric] = [*map(terms.Latest, settings)]
        self.images: list[keras.metrics.Metric] = []
        self.spread = Spread((*elbo_terms, RATE, ELBO))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the reported terms and settings."""
        return tuple(metric.name for metric in [*self.terms, *self.settings])

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics, first those of the terms."""
        return [*self.terms, *self.settings, *self.images]

    @property
    def silent_metrics(self) -> list[keras.metrics.Metric]:
        """Metrics that report no value: standard errors, and the directions of other metrics."""
        directions = {metric.name: "down" for metric in self.terms} | {ELBO: "up"}
        for metric in self.images:
            if hasattr(metric, "_direction"):
                directions[metric.name] = metric._direction
        return [self.spread, fitting.Directions(directions)]

    def measure_images(self, identifiers) -> None:
        """Sets the metrics of the reconstruction.

        Args:
            identifiers: Names, functions or metrics, or None.
        """
        self.images = [*map(_metric, keras.tree.flatten(identifiers or []))]

    def update(self, step: terms.Step, image, reconstruction, training: bool) -> None:
        """Updates the metrics.

        Args:
            step: The step, with the terms of the loss layers.
            image: Tensor of images in [0, 1].
            reconstruction: Tensor of the same shape.
            training: Whether this is a training step, in which no standard errors are computed.
        """
        reported = {self.renamed.get(name, name): value for name, value in step.reported.items()}
        reported[ELBO] = -sum(reported[name] for name in self.elbo_terms)
        batch_size = ops.cast(ops.shape(reconstruction)[0], "float32")
        for metric in [*self.terms, *self.settings]:
            metric.update_state(reported[metric.name], sample_weight=batch_size)
        for metric in self.images:
            metric.update_state(image, reconstruction, sample_weight=step.sample_weight)
        if not training:
            named = {self.renamed.get(name, name): v for name, v in step.of_examples.items()}
            values = [named[name] for name in self.elbo_terms]
            self.spread.update_state([*values, sum(values[1:]), -sum(values)])


class BatchMean(keras.metrics.Mean):
    """The mean of a scalar, weighted by the sizes of the batches, computed in few operations.

    Every step updates several of these metrics, and on torch a small operation takes as long as a
    Dense layer of a small network.
    """

    def update_state(self, value, sample_weight) -> None:
        """Adds the value of a batch of `sample_weight` examples, both scalar tensors."""
        self.total.assign_add(ops.cast(value, self.dtype) * ops.cast(sample_weight, self.dtype))
        self.count.assign_add(ops.cast(sample_weight, self.dtype))


class Spread(keras.metrics.Metric):
    """The means of several quantities over examples, and their standard errors.

    Args:
        names: Names of the quantities.
    """

    def __init__(self, names: Sequence[str]):
        super().__init__(name="spread")
        self.names = tuple(names)
        size = (len(self.names),)
        self.count = self.add_variable((), "zeros", name="count")
        self.origin = self.add_variable(size, "zeros", name="origin")
        self.sums = self.add_variable(size, "zeros", name="sums")
        self.squares = self.add_variable(size, "zeros", name="squares")

    def update_state(self, values, sample_weight=None) -> None:
        """Adds the values of a batch: for each name a tensor of shape `(batch,)`."""
        values = ops.stack([ops.cast(value, self.dtype) for value in values])
        # Squares of differences from the first batch's mean: squares of values would lose digits.
        count, origin = map(ops.convert_to_tensor, (self.count, self.origin))
        origin = ops.where(count > 0, origin, ops.mean(values, axis=1))
        values = values - ops.expand_dims(origin, 1)
        self.origin.assign(origin)
        self.sums.assign_add(ops.sum(values, axis=1))
        self.squares.assign_add(ops.sum(ops.square(values), axis=1))
        self.count.assign_add(ops.cast(ops.shape(values)[1], self.dtype))

    def result(self) -> dict:
        return {}

    def standard_errors(self, examples: int | None = None) -> dict[str, float | None]:
        """Returns the standard errors of the means by name, or None for a single example.

        Args:
            examples: The number of different examples, if there are several values of each; by
                default all values are of different examples.
        """
        count, sums, squares = (
            ops.convert_to_numpy(variable).astype("float64")
            for variable in (self.count, self.sums, self.squares)
        )
        examples = count if examples is None else examples
        if examples < 2:
            return dict.fromkeys(self.names)
        variance = np.maximum(squares / count - (sums / count) ** 2, 0.0)
        errors = np.sqrt(variance / (examples - 1.0))
        return dict(zip(self.names, errors.tolist(), strict=True))


def _metric(identifier) -> keras.metrics.Metric:
    """Returns a metric of the reconstruction, which compares pixels as numbers in [0, 1]."""
    name = BINARY.get(identifier, identifier) if isinstance(identifier, str) else identifier
    metric = keras.metrics.get(name)
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
