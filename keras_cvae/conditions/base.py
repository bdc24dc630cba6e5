"""The base of all conditions: named inputs, a vector y, unknown values, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, noise
from keras_cvae.types import Tensor

HIDDEN = 0.1  # default share of labels that runs and estimators hide in training


class Condition(keras.layers.Layer):
    """Embeds a condition, such as a class label, as a vector y.

    A subclass sets `width`, and defines `inputs`, `call` and `check`; where y is a class, also
    `classes` and `class_of`.

    Args:
        dropout: The probability that a value is hidden in training, in [0, 1], so that the model
            learns to do without it. A subclass that has such an argument adds it, and `seed`, to
            its config.
        seed: Optional integer seed of what is hidden.

    Attributes:
        width: Length of y.
        rows: The number of rows of encoder and decoder for each example.
        label_term_names: Names of the `label_terms`.
        seen_unknown: Weight: 1 once training has shown an unknown value. Before that, the model's
            output for one is arbitrary.

    Raises:
        ValueError: If `dropout` is outside [0, 1].
    """

    width: int
    encoder = True  # whether the encoder takes y too
    infers = False  # whether y is inferred from the image, where there is one
    rows = 1
    label_term_names: tuple[str, ...] = ()

    def __init__(self, dropout: float = 0.0, seed: int | None = None, **kwargs):
        # Not the class's own name, which its input may have.
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
        """Names of the classes that y may be; empty where it is not a class."""
        return ()

    def build(self, input_shape) -> None:
        self.built = True

    def inputs(self) -> dict[str, keras.KerasTensor]:
        """Returns new symbolic inputs, by name."""
        raise NotImplementedError

    def check(self, values, count: int, name: str = "y") -> dict[str, np.ndarray]:
        """Checks the values that a user passes.

        Args:
            values: An array of `count` values, one value for all, or None where all are unknown;
                for several inputs a dict of these.
            count: The number of examples.
            name: Name of the argument, for messages.

        Returns:
            An array of `count` values for each input, by its name.

        Raises:
            ValueError: If shape, type or a value is not one that the condition takes.
        """
        raise NotImplementedError

    def check_by_name(self, values: dict, count: int) -> dict[str, np.ndarray]:
        """Checks values as `check` does, of a dict by the names of the inputs."""
        (value,) = values.values()
        return self.check(value, count)

    def count(self, values) -> int:
        """Returns the number of examples in unchecked `values`; 1 where they are one for all."""
        return len(values) if np.ndim(values) else 1

    def class_of(self, values, name: str = "y") -> np.ndarray | None:
        """Returns the class of each value, or None where y is not a class.

        Args:
            values: Labels as `generate` takes them, such as names of the classes.
            name: Name of the argument, for messages.

        Returns:
            Integer labels, -1 where unknown.

        Raises:
            ValueError: If a name is not one of the classes.
        """
        return None

    def infer_missing(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """Replaces unknown values by those that a classifier infers, where there is one.

        Args:
            values: Checked values.
            infer: Function of rows, an array of booleans, to the classifier's probabilities for
                them, of shape `(rows, num_classes)`.
        """
        return values

    def possible_values(self, values: dict[str, np.ndarray], infer) -> Iterator[tuple]:
        """Yields the values that y may have, which the bound averages over.

        Args:
            values: Checked values.
            infer: As for `infer_missing`.

        Yields:
            `(rows, values, weights)`: an index of examples; their values, inferred ones included;
            and the weights of these values, which add up to 1 for each example.
        """
        yield slice(None), self.infer_missing(values, infer), 1.0

    def label_terms(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """Returns the terms of minus the ELBO that are of y alone, such as KL(q(y | x) || p(y)).

        Args:
            values: Checked values.
            infer: As for `infer_missing`.

        Returns:
            Dict by name of arrays of shape `(count,)`, in nats.
        """
        return {}

    def sample_missing(self, values: dict[str, np.ndarray], rng) -> dict[str, np.ndarray]:
        """Replaces unknown values by samples of p(y), where the model has one.

        Args:
            values: Checked values.
            rng: A NumPy generator.
        """
        return values

    def as_argument(self, values: dict) -> Any:
        """Returns values by the names of the inputs as one argument, such as `y` of `encode`.

        It is the value itself where there is one input, otherwise the dict.
        """
        return values if len(values) > 1 else next(iter(values.values()))

    def packer(self) -> Callable[[dict], dict]:
        """Returns a function that converts checked values to what the graph takes.

        It is `far_columns.pack` where numbers lie far from 0; packed values stay as they are.
        """
        return lambda values: values

    def adapt_once(self, values: dict[str, np.ndarray]) -> None:
        """Adapts to checked training values, such as to their mean, unless it has been adapted."""

    @property
    def needs_data(self) -> bool:
        """Whether the condition must adapt to training values before training begins."""
        return False

    def is_unknown(self, values) -> Tensor | np.ndarray:
        """Returns a tensor or array of booleans of shape `(batch,)`: which values are unknown."""
        raise NotImplementedError

    @property
    def has_seen_unknown(self) -> bool:
        """Whether training has ever shown an unknown value."""
        return bool(ops.convert_to_numpy(self.seen_unknown))

    def describe_missing(self, values: dict[str, np.ndarray] | None = None) -> list[str]:
        """Describes values that no training example has, such as a class that has no examples.

        Args:
            values: Checked training values, counted with those of earlier training; None after
                training.

        Returns:
            Sentences for the user.
        """
        return []

    def describe_untrained(self, values: dict[str, np.ndarray]) -> list[str]:
        """Describes values that training never showed, such as an unknown one.

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
            "unknown one (-1, NaN or None) is arbitrary. Train with "
            "`conditions.Classes(..., dropout=0.1)`, or with some labels unknown."
        ]

    def class_weights(self, weights) -> np.ndarray:
        """Returns the weight of each class, followed by that of an unknown one, 1.

        Args:
            weights: Dict of labels to weights, as `class_weight` of `fit`.

        Raises:
            ValueError: If there are no classes.
        """
        raise checks.ArgumentError(
            "class_weight",
            "needs a condition of classes; give a `sample_weight`",
            f"class_weight={weights!r} for a {type(self).__name__}",
        )

    def wire(self, pixels, network) -> tuple:
        """Wires the condition into a graph.

        Args:
            pixels: Symbolic tensor of the images.
            network: The `networks.Network` of the model.

        Returns:
            `(inputs, encoder_y, y)`: the list of symbolic inputs, the vector y that the encoder
            takes (or None), and the one that decoder and prior take.
        """
        inputs = self.inputs()
        y = self(self.as_argument(inputs))
        return list(inputs.values()), y, y

    def known_y(self, inputs) -> Tensor:
        """Returns the symbolic vector y of known values, in a wired graph.

        Args:
            inputs: The inputs that `wire` returned.
        """
        return self.output

    def inferred_y(self, inputs, logits) -> tuple:
        """Returns the symbolic vector y where unknown values are inferred from the image.

        Args:
            inputs: The inputs that `wire` returned.
            logits: Symbolic logits of the classes, of shape `(batch, num_classes)`.

        Returns:
            `(inputs, y)`: the inputs that y depends on, beside the image, and y.
        """
        raise NotImplementedError

    def repeat_rows(self, tensors: list) -> list:
        """Repeats each example of symbolic tensors `rows` times, next to each other."""
        return tensors

    def choose_rows(self, tensor) -> Tensor:
        """Chooses one row of each example from a symbolic tensor of `rows` rows for each."""
        return tensor

    def with_names(self, names) -> Condition:
        """Returns a copy with names for the classes; itself if it has names or no classes."""
        return self

    def hide(self, values, unknown, training) -> Tensor:
        """Replaces values by `unknown` at random, in training, and records in `seen_unknown`."""
        if not training:
            return values
        if self.dropout > 0:
            rows = (-1,) + (1,) * (len(values.shape) - 1)
            hidden = noise.uniform(ops.shape(values)[:1], self.seed_generator) < self.dropout
            values = ops.where(ops.reshape(hidden, rows), ops.cast(unknown, values.dtype), values)
        seen = ops.cast(ops.any(self.is_unknown(values)), "float32")
        self.seen_unknown.assign(ops.maximum(self.seen_unknown, seen))
        return values
