"""Class labels as one-hot vectors; an unknown label, -1, becomes a vector of zeros."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from keras_cvae.conditions.labels import Labels
from keras_cvae.conditions.naming import UNKNOWN
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Classes(Labels):
    """One-hot encoding of class labels.

    Labels are integers from 0, or whole numbers of another type, with -1 or NaN for unknown;
    one-hot vectors, all zeros for unknown; or, in arrays and lists, names of the classes, with None
    for unknown.

    Args:
        num_classes: The number of classes, at least 2; may be left out if `names` are passed.
        dropout: The probability that training hides a label, in [0, 1]; with 0.1 `generate(None)`
            samples from the whole data set.
        seed: Optional integer seed of the dropout.
        names: Optional names of the classes, all different. They are saved with the model, and
            arrays, lists or single labels may contain them in place of integers.

    Attributes:
        num_classes: The number of classes.
        has_names: Whether the user named the classes.
        seen: Weight with the number of training examples of each class, followed by the number of
            those with an unknown label.

    Call arguments:
        inputs: Integer labels of shape `(batch,)`, in -1..num_classes-1.
        training: Whether to hide labels.

    Returns:
        Tensor of shape `(batch, num_classes)`; the row of an unknown label (-1) is all zeros. In a
        graph of your own, an invalid label makes its row and the training loss NaN.

    Raises:
        ValueError: If `num_classes` is not an integer of at least 2, `dropout` is outside [0, 1],
            or `names` are not different strings, one for each class.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        names: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, names, dropout, seed, **kwargs)

    def call(self, inputs, training=False) -> Tensor:
        self.refuse_invalid(inputs, training)
        self.count_seen(inputs, training)
        return self.one_hot(self.hide(inputs, UNKNOWN, training))

    def get_config(self) -> dict:
        return {**super().get_config(), "dropout": self.dropout, "seed": self.seed}


def of(identifier, **options) -> Classes:
    """Returns `Classes` for a number of classes, or for a list of their names."""
    if isinstance(identifier, (list, tuple)):
        return Classes(names=identifier, **options)
    return Classes(identifier, **options)
