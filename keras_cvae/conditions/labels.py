"""The base class of conditions that are class labels."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import earlier_files, terms
from keras_cvae.checks import ArgumentError, require
from keras_cvae.conditions import missing_classes, naming
from keras_cvae.conditions.base import Condition
from keras_cvae.conditions.naming import UNKNOWN
from keras_cvae.copying import copy_of
from keras_cvae.data import class_labels
from keras_cvae.types import Tensor


class Labels(Condition):
    """A condition that is a class label: an integer, -1 for unknown.

    Args:
        num_classes: The number of classes, at least 2; may be left out if `names` are passed.
        names: Optional names of the classes, all different.
        dropout: As for `Condition`.
        seed: As for `Condition`.

    Attributes:
        num_classes: The number of classes.
        has_names: Whether the user named the classes.
        seen: Weight with the number of training examples of each class, followed by the number of
            those with an unknown label.

    Raises:
        ValueError: If an argument is not one of the above.
    """

    ALL_UNKNOWN = (
        "the model learns the distribution of all examples, and labels have no meaning in it"
    )

    def __init__(
        self,
        num_classes: int | None = None,
        names: Sequence[str] | None = None,
        dropout: float = 0.0,
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(dropout, seed, **kwargs)
        if num_classes is None and isinstance(names, (list, tuple)):
            num_classes = len(names)
        self.num_classes = self.width = number_of_classes(num_classes)
        self.has_names = names is not None
        self._names = self._check_names(names) if self.has_names else None
        self.seen = self.add_weight(
            shape=(self.num_classes + 1,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
            autocast=False,
            name="seen",
        )

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; their numbers if the user chose no names."""
        return self._names if self.has_names else tuple(map(str, range(self.num_classes)))

    def with_names(self, names) -> Labels:
        return self if self.has_names else copy_of(self, names=list(names))

    def inputs(self) -> dict[str, keras.KerasTensor]:
        return {"label": keras.Input((), dtype="int32", name="label")}

    def one_hot(self, labels) -> Tensor:
        """Returns the one-hot vectors of labels; of an invalid label, unless checked, NaN."""
        # Not by `ops.one_hot`: in ONNX a label of -1 would be the last class.
        classes = ops.arange(self.num_classes, dtype=labels.dtype)
        vectors = ops.cast(ops.expand_dims(labels, -1) == classes, self.compute_dtype)
        if terms.are_checked():
            return vectors
        return ops.where(ops.expand_dims(self._are_valid(labels), -1), vectors, math.nan)

    def refuse_invalid(self, labels, training) -> None:
        """Makes the training loss of a user's own graph NaN if a label is invalid.

        Some activations, such as TensorFlow's compiled relu, turn NaN into 0. Outside of training a
        loss would be one more output of an exported model.
        """
        if training and terms.current() is None:
            self.add_loss(ops.where(ops.all(self._are_valid(labels)), 0.0, math.nan))

    def _are_valid(self, labels):
        return ops.logical_and(labels >= UNKNOWN, labels < self.num_classes)

    def count_seen(self, labels, training) -> None:
        """Adds the labels of a training batch to the counts in `seen`."""
        if training:
            classes = ops.roll(ops.arange(-1, self.num_classes, dtype=labels.dtype), -1)
            one_hot = ops.cast(ops.expand_dims(labels, -1) == classes, "float32")
            self.seen.assign(self.seen + ops.sum(one_hot, axis=0))

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        return keras.KerasTensor((*inputs.shape, self.num_classes), dtype=self.compute_dtype)

    def is_unknown(self, values) -> Tensor | np.ndarray:
        return values == UNKNOWN

    def check(self, values, count, name="y") -> dict:
        if values is None or np.ndim(values) == 0:
            values = np.full(count, UNKNOWN if values is None else values)
        values = self.class_of(values, name)
        return {
            "label": class_labels.check_labels(values, self.num_classes, count=count, name=name)
        }

    def class_of(self, values, name: str = "y") -> np.ndarray:
        return naming.to_labels(values, self._names, name)

    def count(self, values) -> int:
        shape = np.shape(values)
        if shape == (self.num_classes,) and self.num_classes > 2:
            numbers = np.asarray(values)
            dtype = numbers.dtype
            is_one_hot = dtype.kind in "fb" and np.sum(numbers == 1) == np.sum(numbers != 0) == 1
            expected = (
                f"must be one-hot vectors of shape (count, {self.num_classes}), such as "
                "`y[None]` of one, or integers, `y.astype('int32')`"
            )
            require(
                not is_one_hot, "y", expected, f"shape {shape}, dtype {dtype}, which may be either"
            )
        return super().count(values)

    def describe_missing(self, values=None) -> list[str]:
        counts = ops.convert_to_numpy(self.seen)
        if values is not None:
            counts = counts + missing_classes.count(values["label"], self.num_classes)
        *of_classes, unknown = counts
        if unknown and not any(of_classes):
            return [f"All labels are unknown (-1): {self.ALL_UNKNOWN}."]
        return missing_classes.describe_missing(counts, self.classes, self.has_names)

    def describe_untrained(self, values) -> list[str]:
        seen = ops.convert_to_numpy(self.seen)[:-1]
        labels = np.unique(values["label"])
        labels = [label for label in labels if label >= 0 and not seen[label]]
        sentences = super().describe_untrained(values)
        if labels and seen.any():
            shown = missing_classes.list_classes(labels, self.classes, self.has_names)
            sentences.append(
                f"In training this model never saw an example of {shown}: its output for such a "
                "label is arbitrary."
            )
        return sentences

    def load_own_variables(self, store) -> None:
        variables = [self.seen_unknown, self.seen]
        super().load_own_variables(earlier_files.fill(store, variables))

    def class_weights(self, weights) -> np.ndarray:
        if isinstance(weights, dict):
            labels = self.class_of([*weights], "class_weight")
            weights = dict(zip(labels, weights.values(), strict=True))
        return class_labels.class_weights(weights, self.num_classes)

    def get_config(self) -> dict:
        names = list(self.classes) if self.has_names else None
        return {**super().get_config(), "num_classes": self.num_classes, "names": names}

    def _check_names(self, names):
        listed = tuple(names) if isinstance(names, (list, tuple)) else ()
        texts = all(isinstance(name, str) and name.strip() for name in listed)
        count = self.num_classes
        expected = f"must be a list or tuple of {count} different strings, none of them empty"
        require(texts and len(listed) == len(set(listed)) == count, "names", expected, repr(names))
        return listed


def number_of_classes(value) -> int:
    """Checks a number of classes, and returns it as an int.

    Raises:
        ValueError: If `value` is not an integer of at least 2; the message explains `condition`.
    """
    is_integer = hasattr(value, "__index__") and not isinstance(value, bool)
    if not is_integer or value < 2:
        raise ArgumentError(
            "condition",
            "must be a number of classes of at least 2, a list of their names, an "
            "object of `keras_cvae.conditions`, or None for a plain VAE",
            f"{value!r}",
        )
    return operator.index(value)
