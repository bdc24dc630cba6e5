"""A loss that trains a classifier to predict the same class for an image and a changed one."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks
from keras_cvae.terms import LossLayer
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class ConsistencyLoss(LossLayer):
    """Loss layer: adds weight * -log q(y* | x'), averaged over the unlabelled examples, in nats.

    x' is the image after a random change, y* the most probable class of the original image. An
    example whose y* is less probable than `threshold` adds nothing.

    Args:
        weight: Weight of the term in the loss.
        threshold: Least probability of y*, in [0, 1].

    Call arguments:
        inputs: `[label, logits, changed]`: integer labels of shape `(batch,)`, -1 for the
            unlabelled examples, and the logits of x and of x', of shape `(batch, num_classes)`.

    Returns:
        The logits, unchanged.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Sohn et al., 2020](https://arxiv.org/abs/2001.07685), FixMatch.
    """

    def __init__(self, weight: float = 1.0, threshold: float = 0.95, **kwargs):
        super().__init__(**kwargs)
        self.weight = checks.number("weight", weight, least=0)
        self.threshold = checks.number("threshold", threshold, least=0, most=1)

    def call(self, inputs) -> Tensor:
        label, logits, changed = inputs
        q = ops.stop_gradient(ops.softmax(logits))
        unknown = ops.cast(label < 0, q.dtype)
        is_used = unknown * ops.cast(ops.max(q, axis=-1) >= self.threshold, q.dtype)
        best = ops.one_hot(ops.argmax(q, axis=-1), q.shape[-1], dtype=q.dtype)
        share = ops.maximum(ops.sum(unknown), 1.0) / ops.cast(ops.shape(label)[0], q.dtype)
        crossentropy = -ops.sum(best * ops.log_softmax(changed), axis=-1)
        self.add_term(is_used * crossentropy / share, self.weight)
        return logits

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[1]

    def get_config(self) -> dict:
        return {**super().get_config(), "weight": self.weight, "threshold": self.threshold}
