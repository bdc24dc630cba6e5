"""The base class of conditions with a classifier, which infers class labels from the image."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import layers, portable
from keras_cvae.conditions.classes import Classes
from keras_cvae.conditions.labels import Labels
from keras_cvae.conditions.naming import UNKNOWN
from keras_cvae.types import Tensor


class Predicted(Labels):
    """A class label with a classifier q(y | x), which learns from the known labels.

    Args:
        num_classes: The number of classes, at least 2.
        weight: Weight of the classifier's cross-entropy in the loss.
        names: Optional names of the classes, as `Classes` takes them.
        seed: Optional integer seed.

    Call arguments:
        inputs: Dict of `label`, integers of shape `(batch,)`, and `logits` of shape
            `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is not one of the above.
    """

    infers = True

    def __init__(
        self,
        num_classes: int | None = None,
        weight: float = 1.0,
        names: Sequence[str] | None = None,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, names, 0.0, seed, **kwargs)
        self.classification = layers.ClassificationLoss(weight, name="classification")

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that the layer reports."""
        return self.classification.term_names

    def known_y(self, inputs) -> Tensor:
        return Classes(self.num_classes, names=self._names, name="condition")(inputs[0])

    def most_probable(self, inputs) -> Tensor:
        """Returns symbolic one-hot vectors of the labels, known or most probable.

        Args:
            inputs: As for `MostProbable`.
        """
        return MostProbable(self.num_classes, names=self._names, name="condition")(inputs)

    def infer_missing(self, values, infer) -> dict:
        labels = values["label"].copy()
        unknown = self.is_unknown(labels)
        if unknown.any():
            labels[unknown] = infer(unknown).argmax(-1)
        return {"label": labels}

    @property
    def has_seen_unknown(self) -> bool:
        return True  # an unknown label is inferred or marginalised

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self.classification.weight}


@keras.saving.register_keras_serializable("keras_cvae")
class MostProbable(Labels):
    """One-hot encoding of a known label, or of the most probable class for an unknown one.

    Call arguments:
        inputs: `[label, logits]`: integers of shape `(batch,)`, -1 for unknown, and logits of shape
            `(batch, num_classes)`; or only the logits, if all labels are unknown.

    Returns:
        Tensor of shape `(batch, num_classes)`.
    """

    def call(self, inputs) -> Tensor:
        known, logits = inputs if isinstance(inputs, (list, tuple)) else (None, inputs)
        best = portable.one_hot_of_greatest(logits, self.compute_dtype)
        if known is None:
            return best
        return ops.where(ops.expand_dims(known == UNKNOWN, -1), best, self.one_hot(known))

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        logits = keras.tree.flatten(inputs)[-1]
        return keras.KerasTensor(logits.shape, dtype=self.compute_dtype)
