r"""Class labels that may be unknown; the bound is a sum over the possible labels.

    log p(x, y) >= log p(y) + L(x, y),   L(x, y) = E log p(x | z, y) - KL(q(z | x, y) || p(z | y))
    log p(x) >= \sum_y q(y | x) L(x, y) - KL(q(y | x) || p(y))

The first bound is the second with a point mass at the known label in place of q(y | x). Each
example becomes `num_classes` adjacent rows, one for each label, weighted by this distribution.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, layers, terms
from keras_cvae.conditions.consistency import ConsistencyLoss
from keras_cvae.conditions.predicted import Predicted
from keras_cvae.copying import copy_of
from keras_cvae.precision import Float32Layer
from keras_cvae.terms import LossLayer
from keras_cvae.types import Tensor

register = keras.saving.register_keras_serializable("keras_cvae")


@register
class Enumerated(Predicted):
    r"""A class label that may be unknown, -1; an unknown label is marginalised exactly.

    It is the model of semi-supervised learning, p(x, y, z) = p(y) p(z | y) p(x | z, y), with a
    classifier q(y | x). For an example with a known label the bound is a bound of log p(x, y), with
    an unknown label of log p(x), including constants such as -log p(y). Minus the bound is the sum
    of `reconstruction` and `kl`, which are averages over labels weighted by q(y | x) (by 1 for a
    known label), and of `kl_label`, which is KL(q(y | x) || p(y)), or -log p(y) for a known label.
    The loss also contains the cross-entropy of the classifier for the known labels,
    `classification`.

    Encoder and decoder take `num_classes` rows for each example, and the model returns the
    reconstruction with the known label, or with the most probable one. A training step of a `CVAE`
    weighs the rows; in a plain `keras.Model` the loss layers would weigh all rows equally.

    Args:
        num_classes: The number of classes, at least 2; may be left out if `names` are passed.
        weight: Weight of the cross-entropy in the loss. The cross-entropy is averaged over the
            labelled examples of a batch. If few labels are known, most batches contain none, and a
            weight of 1 is too small.
        prior: p(y) up to a factor: positive numbers, such as the frequencies of the labels; by
            default all labels are equally probable.
        augment: Optional Keras layer without weights that in training changes an image at random,
            but not its class, such as `keras.layers.RandomTranslation(0.1, 0.1, "constant")`. The
            classifier then learns from changed labelled images, and to predict the same class for
            an unlabelled image and a changed one (`ConsistencyLoss`, the term `consistency`, with
            the same `weight`). The bound uses the original images.
        names: Optional names of the classes, as `Classes` takes them.

    Call arguments:
        inputs: Dict of `label`, integers of shape `(batch,)`, and `logits` of shape
            `(batch, num_classes)`; with `augment` also `changed`, the logits of the changed images.

    Returns:
        One-hot vectors of shape `(batch * num_classes, num_classes)`.

    Raises:
        ValueError: If an argument is not one of the above; in `build_cvae`, if the objective
            compares the examples of a batch.

    Example:
    ```python
    cvae = keras_cvae.build_cvae((28, 28, 1), conditions.Enumerated(10), 16)
    cvae.compile("adam")
    cvae.fit([x_train, np.where(is_labelled, y_train, -1)], epochs=20)
    digits = cvae.classifier.predict(x_test).argmax(-1)
    ```

    Reference:
        [Kingma et al., 2014](https://arxiv.org/abs/1406.5298), model M2.
    """

    ALL_UNKNOWN = (
        "the model is trained on log p(x) only, no term relates its labels to your classes, and "
        "they are the numbers of arbitrary clusters"
    )

    def __init__(
        self,
        num_classes: int | None = None,
        weight: float = 50.0,
        prior: Sequence[float] | None = None,
        augment: keras.layers.Layer | None = None,
        names: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, weight, names, None, **kwargs)
        self.divergence = LabelDivergence(self.num_classes, prior, name="kl_label")
        self.rows = self.num_classes
        is_layer = augment is None or isinstance(augment, keras.layers.Layer)
        checks.require(is_layer, "augment", "must be a Keras layer, or None", repr(augment))
        self.augment = self.consistency = None
        if augment is not None:
            self.augment = keras.saving.serialize_keras_object(augment)
            self.consistency = ConsistencyLoss(weight, name="consistency")

    @property
    def term_names(self) -> tuple[str, ...]:
        consistency = self.consistency.term_names if self.consistency else ()
        return (*super().term_names, *consistency, *self.label_term_names)

    @property
    def label_term_names(self) -> tuple[str, ...]:  # type: ignore[override]
        return self.divergence.term_names

    def wire(self, pixels, network) -> tuple:
        inputs = self.inputs()
        classifier = network.classifier(tuple(pixels.shape[1:]), self.num_classes)
        tensors = {**inputs, "logits": classifier(pixels)}
        if self.augment is not None:
            augment = copy_of(keras.saving.deserialize_keras_object(self.augment), name="augment")
            tensors["changed"] = classifier(augment(pixels))
            expected = "must be a layer without weights, as these would not be trained"
            checks.require(
                not augment.weights, "augment", expected, f"{len(augment.weights)} weights"
            )
        y = self(tensors)
        return list(inputs.values()), y, y

    def repeat_rows(self, tensors) -> list:
        return layers.Repeat(self.rows, name="every_label")(tensors)

    def choose_rows(self, tensor) -> Tensor:
        *_, label, logits = self.input  # sorted by name
        return Chosen(name="chosen_label")([tensor, label, logits])

    def build(self, input_shape) -> None:
        for layer in (self.classification, self.divergence, self.consistency):
            if layer is not None:
                layer.build(None)
        self.built = True

    def call(self, inputs, training=False) -> Tensor:
        label, logits = inputs["label"], inputs["logits"]
        self.count_seen(label, training)
        if self.consistency is not None:
            self.classification([label, inputs["changed"]])
            self.consistency([label, logits, inputs["changed"]])
        else:
            self.classification([label, logits])
        terms.split(self.divergence([label, logits]))
        every = ops.eye(self.num_classes, dtype=self.compute_dtype)
        return ops.tile(every, (ops.shape(label)[0], 1))

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        batch, count = inputs["logits"].shape
        return keras.KerasTensor((batch and batch * count, count), dtype=self.compute_dtype)

    def inferred_y(self, inputs, logits) -> tuple:
        return inputs, self.most_probable([inputs[0], logits])

    def possible_values(self, values, infer) -> Iterator[tuple]:
        weights = self._weights(values, infer)
        for label in range(self.num_classes):
            rows = np.flatnonzero(weights[:, label])
            if len(rows):
                yield rows, {"label": np.full(len(rows), label, "int32")}, weights[rows, label]

    def sample_missing(self, values, rng) -> dict:
        labels = values["label"].copy()
        unknown = self.is_unknown(labels)
        p = np.exp(self.divergence.log_prior.astype("float64"))
        labels[unknown] = rng.choice(self.num_classes, np.sum(unknown), p=p / p.sum())
        return {"label": labels}

    def label_terms(self, values, infer) -> dict:
        weights = self._weights(values, infer)
        log_ratio = np.log(np.where(weights > 0, weights, 1.0)) - self.divergence.log_prior
        return {self.divergence.name: np.sum(weights * log_ratio, axis=1)}

    def _weights(self, values, infer):
        """Returns the weight of each label, of shape `(count, num_classes)`."""
        labels = values["label"]
        weights = np.eye(self.num_classes)[labels]
        unknown = self.is_unknown(labels)
        if unknown.any():
            weights[unknown] = infer(unknown)
        return weights

    def get_config(self) -> dict:
        config = {"prior": self.divergence.prior, "augment": self.augment}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config) -> Enumerated:
        augment = config.get("augment")
        if isinstance(augment, dict):
            augment = keras.saving.deserialize_keras_object(augment)
        return cls(**{**config, "augment": augment})


@register
class LabelDivergence(LossLayer):
    r"""Loss layer: adds KL(q(y | x) || p(y)), averaged over the batch, in nats.

    For a known label y, q(y | x) is 1, and the term is the constant -log p(y).

    Args:
        num_classes: The number of classes.
        prior: As for `Enumerated`.

    Call arguments:
        inputs: `[label, logits]`: integer labels of shape `(batch,)`, -1 for unknown, and logits of
            q(y | x) of shape `(batch, num_classes)`.

    Returns:
        q, a tensor of the shape of the logits; one-hot vectors for known labels.

    Raises:
        ValueError: If `prior` is not `num_classes` positive numbers.
    """

    def __init__(self, num_classes: int, prior=None, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes
        weights = checks.array("prior", np.ones(num_classes) if prior is None else prior, (None,))
        expected = f"must be {num_classes} positive numbers, one for each class"
        checks.require(
            len(weights) == num_classes and weights.min() > 0, "prior", expected, repr(prior)
        )
        self.prior = None if prior is None else weights.tolist()
        self.log_prior = np.log(weights / weights.sum()).astype("float32")

    def call(self, inputs) -> Tensor:
        label, logits = inputs
        known = ops.expand_dims(label >= 0, -1)
        log_q = ops.log_softmax(logits)
        one_hot = ops.one_hot(label, self.num_classes, dtype=log_q.dtype)
        q = ops.where(known, one_hot, ops.exp(log_q))
        log_ratio = ops.where(known, 0.0, log_q) - ops.convert_to_tensor(self.log_prior)
        self.add_term(ops.sum(q * log_ratio, axis=-1))
        return q

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[1]

    def get_config(self) -> dict:
        return {**super().get_config(), "num_classes": self.num_classes, "prior": self.prior}


@register
class Chosen(Float32Layer):
    """Chooses for each example the row of its known label, or of its most probable label.

    Call arguments:
        inputs: `[rows, label, logits]`: a tensor of shape `(batch * num_classes, ...)`, integer
            labels of shape `(batch,)`, -1 for unknown, and logits of shape `(batch, num_classes)`.

    Returns:
        Tensor of shape `(batch, ...)`.
    """

    def call(self, inputs) -> Tensor:
        rows, label, logits = inputs
        label = ops.cast(fill_labels(label, logits), "int32")
        first = logits.shape[-1] * ops.arange(ops.shape(label)[0], dtype="int32")
        return ops.take(rows, first + label, axis=0)

    def compute_output_shape(self, input_shape) -> tuple:
        rows, label, _ = input_shape
        return (label[0], *rows[1:])


def fill_labels(label, logits) -> Tensor:
    """Returns labels of shape `(batch,)`, with the most probable class in place of -1."""
    return ops.where(label < 0, ops.cast(ops.argmax(logits, axis=-1), label.dtype), label)
