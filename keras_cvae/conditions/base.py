"""The base class of all conditions: named inputs, a vector y, unknown values, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.types import Tensor

HIDDEN = 0.1  # default share of labels that runs and estimators hide in training


class Condition(keras.layers.Layer):
    """Embeds a condition, such as a class label, as a vector y.

    A subclass sets `width`, and defines `inputs`, `call` and `check`; if y is a class, also
    `classes` and `class_of`.

    Args:
        dropout: The probability that a value is hidden in training, in [0, 1], so that the model
            also learns to work without it. A subclass with such an argument adds it, and `seed`, to
            its config.
        seed: Optional integer seed of the dropout.

    Attributes:
        width: Length of y.
        attributes: The conditions that it consists of, by name; empty for a single condition.
        rows: The number of rows of encoder and decoder for each example.
        label_term_names: Names of the `label_terms`.
        seen_unknown: Weight that is 1 after training has seen an unknown value. Before that, the
            model's output for an unknown value is arbitrary.

    Raises:
        ValueError: If `dropout` is outside [0, 1].
    """

    width: int
    attributes: Mapping[str, Condition] = MappingProxyType({})
    encoder = True  # whether the encoder also takes y
    infers = False  # whether a classifier infers unknown values from the image
    rows = 1
    label_term_names: tuple[str, ...] = ()

    def __init__(self, dropout: float = 0.0, seed: int | None = None, **kwargs):
        # Keras's default, the name of the class, may be the name of its input.
        name = kwargs.pop("name", None) or f"condition_{keras.backend.get_uid('condition')}"
        super().__init__(name=name, **kwargs)
        self.dropout = checks.number("dropout", dropout, least=0, most=1)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.seen_unknown = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="seen_unknown"
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty if y is not a class."""
        return ()

    def build(self, input_shape) -> None:
        self.built = True

    def mean_and_deviation(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Returns mean and standard deviation of the training values; None if not numbers.

        Each is an array of shape `(size,)`, where `size` is the length of one value.
        """
        return None

    def inputs(self) -> dict[str, keras.KerasTensor]:
        """Returns new symbolic inputs, by name."""
        raise NotImplementedError

    def check(self, values, count: int, name: str = "y") -> dict[str, np.ndarray]:
        """Checks the values that a user passes.

        Args:
            values: An array of `count` values, one value for all, or None if all are unknown; for
                several inputs a dict of these.
            count: The number of examples.
            name: Name of the argument, for messages.

        Returns:
            An array of `count` values for each input, by its name.

        Raises:
            ValueError: If the shape, the type or a value is invalid.
        """
        raise NotImplementedError

    def check_by_name(self, values: dict, count: int) -> dict[str, np.ndarray]:
        """Checks values as `check` does, for a dict from the names of the inputs to values."""
        (value,) = values.values()
        return self.check(value, count)

    def count(self, values) -> int:
        """Returns the number of examples in unchecked `values`; 1 for one value for all."""
        return len(values) if np.ndim(values) else 1

    def class_of(self, values, name: str = "y") -> np.ndarray | None:
        """Returns the class of each value, or None if y is not a class.

        Args:
            values: Labels as `generate` takes them, such as names of the classes.
            name: Name of the argument, for messages.

        Returns:
            Integer labels, -1 for unknown.

        Raises:
            ValueError: If a name is not one of the classes.
        """
        return None

    def infer_missing(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """Replaces unknown values by those that the classifier infers, if there is one.

        Args:
            values: Checked values.
            infer: Function that takes a mask of rows, an array of booleans, and returns the
                classifier's probabilities for these rows, of shape `(rows, num_classes)`.
        """
        return values

    def possible_values(self, values: dict[str, np.ndarray], infer) -> Iterator[tuple]:
        """Yields the possible values of y, over which the bound is averaged.

        Args:
            values: Checked values.
            infer: As for `infer_missing`.

        Yields:
            `(rows, values, weights)`: an index of examples; a possible value for each, which may be
            an inferred one; and the weights of these values, whose sum over all values is 1 for
            each example.
        """
        yield slice(None), self.infer_missing(values, infer), 1.0

    def label_terms(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """Returns the terms of minus the ELBO that depend on y only, such as KL(q(y | x) || p(y)).

        Args:
            values: Checked values.
            infer: As for `infer_missing`.

        Returns:
            Dict from names to arrays of shape `(count,)`, in nats.
        """
        return {}

    def sample_missing(self, values: dict[str, np.ndarray], rng) -> dict[str, np.ndarray]:
        """Replaces unknown values by samples of p(y), if the model has a p(y).

        Args:
            values: Checked values.
            rng: A NumPy generator.
        """
        return values

    def as_argument(self, values: dict) -> Any:
        """Returns values by the names of the inputs as one argument, such as `y` of `encode`.

        With one input it is the value itself, otherwise the dict.
        """
        return values if len(values) > 1 else next(iter(values.values()))

    def packer(self) -> Callable[[dict], dict]:
        """Returns a function that converts checked values to inputs of the graph.

        It applies `far_columns.pack` to numbers far from 0. Packed values do not change.
        """
        return lambda values: values

    def adapt(self, values) -> None:
        """Adapts to training values, such as their mean, if y depends on them.

        Args:
            values: Training values, as for `check`.
        """

    def adapt_once(self, values: dict[str, np.ndarray]) -> None:
        """Adapts to checked training values, such as their mean, unless it is adapted already."""

    @property
    def needs_data(self) -> bool:
        """Whether the condition must adapt to training values before training begins."""
        return False

    def is_unknown(self, values) -> Tensor | np.ndarray:
        """Returns which values are unknown, a tensor or array of booleans of shape `(batch,)`."""
        raise NotImplementedError

    @property
    def has_seen_unknown(self) -> bool:
        """Whether training has seen an unknown value."""
        return bool(ops.convert_to_numpy(self.seen_unknown))

    def describe_missing(self, values: dict[str, np.ndarray] | None = None) -> list[str]:
        """Describes values without training examples, such as a class that has no examples.

        Args:
            values: Checked training values, which are added to those of earlier training; None
                after training.

        Returns:
            Sentences for the user.
        """
        return []

    def describe_untrained(self, values: dict[str, np.ndarray]) -> list[str]:
        """Describes values that training has not seen, such as an unknown one.

        Args:
            values: Checked values.

        Returns:
            Sentences for the user.
        """
        (values,) = values.values()
        if self.has_seen_unknown or not np.any(self.is_unknown(values)):
            return []
        return [
            "In training this model never saw an image without its label, so its output for an "
            "unknown label (-1, NaN or None) is arbitrary. Train with "
            "`conditions.Classes(..., dropout=0.1)`, or with some labels unknown."
        ]

    def class_weights(self, weights) -> np.ndarray:
        """Returns the weight of each class, followed by that of an unknown class, 1.

        Args:
            weights: Dict from labels to weights, the argument `class_weight` of `fit`.

        Raises:
            ValueError: If there are no classes.
        """
        raise checks.ArgumentError(
            "class_weight",
            "needs a condition of classes; pass a `sample_weight` instead",
            f"class_weight={weights!r} for a {type(self).__name__}",
        )

    def wire(self, pixels, network) -> tuple:
        """Wires the condition into a graph.

        Args:
            pixels: Symbolic tensor of the images.
            network: The `networks.Network` of the model.

        Returns:
            `(inputs, encoder_y, y)`: the list of symbolic inputs, the vector y for the encoder (or
            None), and the vector y for decoder and prior.
        """
        inputs = self.inputs()
        y = self(self.as_argument(inputs))
        return list(inputs.values()), y, y

    def known_y(self, inputs) -> Tensor:
        """Returns the symbolic vector y for known values, in a wired graph.

        Args:
            inputs: The inputs that `wire` returned.
        """
        return self.output

    def inferred_y(self, inputs, logits) -> tuple:
        """Returns the symbolic vector y in which unknown values are inferred from the image.

        Args:
            inputs: The inputs that `wire` returned.
            logits: Symbolic logits of the classes, of shape `(batch, num_classes)`.

        Returns:
            `(inputs, y)`: the inputs other than the image on which y depends, and y.
        """
        raise NotImplementedError

    def repeat_rows(self, tensors: list) -> list:
        """Repeats each example of symbolic tensors `rows` times, next to each other."""
        return tensors

    def choose_rows(self, tensor) -> Tensor:
        """Chooses one of the `rows` rows of each example in a symbolic tensor."""
        return tensor

    def with_names(self, names) -> Condition:
        """Returns a copy with these names of classes; `self` if it has names or no classes."""
        return self

    def hide(self, values, unknown, training) -> Tensor:
        """Hides values at random in training, and updates `seen_unknown`.

        Args:
            values: Tensor of shape `(batch, ...)`.
            unknown: The number that replaces a hidden value.
            training: Whether this is a training step.
        """
        if not training:
            return values
        if self.dropout > 0:
            rows = (-1,) + (1,) * (len(values.shape) - 1)
            is_hidden = noise.uniform(ops.shape(values)[:1], self.seed_generator) < self.dropout
            unknown = ops.cast(unknown, values.dtype)
            values = ops.where(ops.reshape(is_hidden, rows), unknown, values)
        seen = ops.cast(ops.any(self.is_unknown(values)), "float32")
        self.seen_unknown.assign(ops.maximum(self.seen_unknown, seen))
        return values
