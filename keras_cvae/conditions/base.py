"""What every condition has: named inputs, a vector y, unknown values, checks."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, noise

HIDDEN = 0.1  # share of labels that runs and estimators hide in training


class Condition(keras.layers.Layer):
    """Turns what is known of an example into a vector y.

    A subclass sets `width`, and defines `inputs`, `call` and `check`.

    Args:
        dropout: The probability that a value is hidden in training, in [0, 1], so that the model
            learns to do without it.
        seed: Optional integer seed of what is hidden.

    Attributes:
        width: Length of y.
        seen_unknown: Weight: whether training ever showed an unknown value. Until then, what the
            model makes of one is arbitrary.

    Raises:
        ValueError: If `dropout` is outside [0, 1].
    """

    width: int
    encoder = True  # whether the encoder is given y too
    infers = False  # whether y is inferred from the image, where there is one
    rows = 1  # how many y each example is looked at with
    cost_names: tuple[str, ...] = ()  # of the terms of minus the ELBO that `costs` are

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

    def build(self, input_shape):
        self.built = True

    def inputs(self) -> dict[str, keras.KerasTensor]:
        """New symbolic inputs, by name."""
        raise NotImplementedError

    def check(self, values, count: int, name: str = "y") -> dict[str, np.ndarray]:
        """Checks the values that a user passes.

        Args:
            values: An array of `count` values, one value for all, or None where all are unknown;
                for several inputs a dict of these.
            count: How many examples there are.
            name: What the values are called in messages.

        Returns:
            An array of `count` values for each input, by its name.

        Raises:
            ValueError: If they are not what the model takes.
        """
        raise NotImplementedError

    def check_by_name(self, values: dict, count: int) -> dict[str, np.ndarray]:
        """As `check`, of values by the names of the inputs."""
        (value,) = values.values()
        return self.check(value, count)

    def how_many(self, values) -> int:
        """How many examples unchecked values are of; 1 where they are one for all."""
        return len(values) if np.ndim(values) else 1

    def complete(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """Fills in what is unknown, where it can be inferred.

        Args:
            values: Checked values.
            infer: Function of rows (an array of booleans) to what the classifier says of them.
        """
        return values

    def labellings(self, values: dict[str, np.ndarray], infer) -> Iterator[tuple]:
        """What y may be, for the bound.

        Args:
            values: Checked values.
            infer: As for `complete`.

        Yields:
            `(rows, values, weights)`: which examples, an index; their values, of which none is to
            be inferred; and what these weigh, numbers that add up to 1 for each example.
        """
        yield slice(None), self.complete(values, infer), 1.0

    def costs(self, values: dict[str, np.ndarray], infer) -> dict[str, np.ndarray]:
        """What y itself adds to minus the ELBO, in nats: by name arrays of shape `(count,)`.

        Args:
            values: Checked values.
            infer: As for `complete`.
        """
        return {}

    def drawn(self, values: dict[str, np.ndarray], rng) -> dict[str, np.ndarray]:
        """Draws what is unknown from p(y), where there is one.

        Args:
            values: Checked values.
            rng: A NumPy generator.
        """
        return values

    def together(self, values: dict):
        """Values by the names of the inputs as they are given: the one of them itself."""
        return values if len(values) > 1 else next(iter(values.values()))

    def packer(self) -> Callable[[dict], dict]:
        """Returns a function that converts checked values to what the graph takes.

        It is `far_columns.pack` where numbers lie far from 0; packed values stay as they are.
        """
        return lambda values: values

    def adapt_once(self, values: dict[str, np.ndarray]) -> None:
        """Learns from checked training values what the condition has to know, once."""

    @property
    def needs_data(self) -> bool:
        """Whether there is something to learn from training values before training begins."""
        return False

    def is_unknown(self, values):
        """Which values are unknown: a tensor or array of booleans of shape `(batch,)`."""
        raise NotImplementedError

    @property
    def has_seen_unknown(self) -> bool:
        """Whether training ever showed an unknown value."""
        return bool(ops.convert_to_numpy(self.seen_unknown))

    def describe_missing(self, values: dict[str, np.ndarray] | None = None) -> list[str]:
        """Describes values that no training example has, such as a class without examples.

        Args:
            values: Checked training values, which come to those of earlier training; None once the
                model has been trained.

        Returns:
            Sentences for the user.
        """
        return []

    def describe_untrained(self, values: dict[str, np.ndarray]) -> list[str]:
        """Describes what is asked for that training never showed, such as an unknown value.

        Args:
            values: Checked values.

        Returns:
            Sentences for the user.
        """
        (values,) = values.values()
        if self.has_seen_unknown or not np.any(self.is_unknown(values)):
            return []
        return [
            "In training this model never saw an image without its label, so what it makes of an "
            "unknown one (-1, NaN or None) is arbitrary. Train with "
            "`conditions.Classes(..., dropout=0.1)`, or with some labels unknown."
        ]

    def class_weights(self, weights) -> np.ndarray:
        """The weight of each class, and behind them that of an unknown one, 1.

        Raises:
            ValueError: If there are no classes.
        """
        raise checks.ArgumentError(
            "class_weight",
            "needs a condition of classes; give a `sample_weight`",
            f"class_weight={weights!r} for a {type(self).__name__}",
        )

    def wire(self, pixels, network):
        """Wires the condition into a graph.

        Args:
            pixels: Symbolic tensor of the images.
            network: The `networks.Network` of the model.

        Returns:
            `(inputs, encoder_y, y)`: the list of symbolic inputs, y as the encoder is given it
            (or None), and y as decoder and prior are.
        """
        inputs = self.inputs()
        y = self(self.together(inputs))
        return list(inputs.values()), y, y

    def given(self, inputs):
        """The vector y of known values, in a graph that was wired before.

        Args:
            inputs: The inputs that `wire` made.
        """
        return self.output

    def inferred(self, inputs, logits):
        """As `given`, where y is inferred from the image.

        Args:
            inputs: The inputs that `wire` made.
            logits: Those of the classes, of shape `(batch, num_classes)`.

        Returns:
            `(inputs, y)`: which inputs are still needed, and y.
        """
        raise NotImplementedError

    def every_row(self, tensors: list) -> list:
        """Symbolic tensors of examples as those of rows, `rows` of each, next to each other."""
        return tensors

    def one_row(self, tensor):
        """A symbolic tensor of rows as one of examples."""
        return tensor

    def named(self, names) -> Condition:
        """This condition, its classes called `names` if it has classes without names."""
        return self

    def hide(self, values, unknown, training):
        """Replaces values by `unknown`: at random, in training. Notes that one was seen."""
        if not training:
            return values
        if self.dropout > 0:
            rows = (-1,) + (1,) * (len(values.shape) - 1)
            drawn = noise.uniform(ops.shape(values)[:1], self.seed_generator) < self.dropout
            values = ops.where(ops.reshape(drawn, rows), ops.cast(unknown, values.dtype), values)
        seen = ops.cast(ops.any(self.is_unknown(values)), "float32")
        self.seen_unknown.assign(ops.maximum(self.seen_unknown, seen))
        return values

    def get_config(self):
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}


class Embedded:
    """A vector y that was computed before: the condition of networks inside the graph.

    Args:
        width: Length of y.
    """

    def __init__(self, width: int):
        self.width = width

    def wire(self, pixels=None, network=None):
        """As `Condition.wire`: the one input is y itself."""
        y = keras.Input((self.width,), name="y")
        return [y], y, y
