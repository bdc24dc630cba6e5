"""The condition y: class labels, unknown labels, and the dropout that teaches a model the unknown.

A label is an integer; -1 means unknown and becomes the all-zero one-hot vector.
"""

from __future__ import annotations

import operator

import keras
from keras import ops

from keras_cvae import noise

UNKNOWN = -1


@keras.saving.register_keras_serializable("keras_cvae")
class Classes(keras.layers.Layer):
    """One-hot encoding of class labels.

    Args:
        num_classes: How many classes there are, at least 2.

    Call arguments:
        inputs: Integer labels of shape `(batch,)`, in -1..num_classes-1.

    Returns:
        Tensor of shape `(batch, num_classes)`; the row of an unknown label (-1) is all zeros.

    Raises:
        ValueError: If `num_classes` is not an integer of at least 2.
    """

    def __init__(self, num_classes: int, **kwargs):
        super().__init__(**kwargs)
        is_integer = hasattr(num_classes, "__index__") and not isinstance(num_classes, bool)
        if not is_integer or num_classes < 2:
            raise ValueError(
                "`condition` must be a number of classes of at least 2 (None makes a plain VAE). "
                f"Received: {num_classes!r}"
            )
        self.num_classes = operator.index(num_classes)

    def input(self):
        """A symbolic input for labels: integers of shape `(batch,)`."""
        return keras.Input((), dtype="int32", name="label")

    def call(self, inputs):
        return ops.one_hot(inputs, self.num_classes, dtype=self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (*input_shape, self.num_classes)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}


@keras.saving.register_keras_serializable("keras_cvae")
class Vector(keras.layers.Layer):
    """A condition that is a vector already, such as the relaxed one-hot label that is inferred.

    Args:
        size: Length of the vector.

    Call arguments:
        inputs: Tensor of shape `(batch, size)`.

    Returns:
        The same.
    """

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def input(self):
        """A symbolic input for vectors of shape `(batch, size)`."""
        return keras.Input((self.size,), name="label")

    def call(self, inputs):
        return inputs

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("keras_cvae")
class LabelDropout(keras.layers.Layer):
    """Replaces labels by -1, unknown, at random during training.

    It also remembers, in the weight `seen_unknown`, whether training ever showed the model an
    unknown label: until then, what the model makes of one is arbitrary.

    Args:
        rate: The probability that a label is dropped, in [0, 1].
        seed: Optional integer seed.

    Call arguments:
        inputs: Integer labels of shape `(batch,)`.
        training: Whether to drop labels.

    Returns:
        Integer labels of shape `(batch,)`.

    Raises:
        ValueError: If `rate` is outside [0, 1].
    """

    def __init__(self, rate: float = 0.0, seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(rate, (int, float)) and 0 <= rate <= 1):
            raise ValueError(f"`label_dropout` must be in [0, 1]. Received: {rate!r}")
        self.rate = rate
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.seen_unknown = self.add_weight(
            shape=(), initializer="zeros", trainable=False, dtype="float32", name="seen_unknown"
        )
        self.built = True

    def call(self, inputs, training=False):
        if not training:
            return inputs
        labels = inputs
        if self.rate > 0:
            dropped = noise.uniform(ops.shape(inputs), self.seed_generator) < self.rate
            labels = ops.where(dropped, ops.full_like(inputs, UNKNOWN), inputs)
        unknown = ops.cast(ops.any(labels == UNKNOWN), "float32")
        self.seen_unknown.assign(ops.maximum(self.seen_unknown, unknown))
        return labels

    def compute_output_shape(self, input_shape):
        return input_shape

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape, dtype=inputs.dtype)

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


def get(identifier) -> keras.layers.Layer | None:
    """Returns the condition that `identifier` stands for.

    Args:
        identifier: A number of classes, a condition of this module, or None for no condition.

    Raises:
        ValueError: If it is none of these.
    """
    if isinstance(identifier, (Classes, Vector)):
        # A copy for each model: a layer that two models share has no one shape in their diagrams.
        if isinstance(identifier, Vector):
            return Vector(identifier.size, name=identifier.name)
        return Classes(identifier.num_classes, name=identifier.name)
    if identifier is None:
        return None
    return Classes(identifier, name="one_hot")
