"""Class labels that a classifier infers from the image; it learns from the known labels."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks, layers
from keras_cvae.conditions.predicted import Predicted
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class Inferred(Predicted):
    """A class label that a classifier q(y | x) predicts from the image.

    The decoder is conditional on a sample of q(y | x): a straight-through Gumbel-softmax sample in
    training, the most probable class otherwise. Known labels are used only in the cross-entropy;
    labels of -1 are ignored.

    Args:
        num_classes: The number of classes, at least 2; may be left out if `names` are passed.
        weight: Weight of the cross-entropy in the loss.
        relaxation: Temperature of the Gumbel-softmax.
        encoder: Whether the encoder also takes the label, so that z contains only the style and an
            image can be decoded as any class.
        seed: Optional integer seed of the samples.
        names: Optional names of the classes, as `Classes` takes them.

    Call arguments:
        inputs: Dict of `label`, integers of shape `(batch,)`, and `logits` of shape
            `(batch, num_classes)`.
        training: Whether to sample.

    Returns:
        One-hot vectors of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Kingma et al., 2014](https://arxiv.org/abs/1406.5298), for joint training of
        classifier and autoencoder; [Jang et al., 2017](https://arxiv.org/abs/1611.01144), for the
        relaxation.
    """

    def __init__(
        self,
        num_classes: int | None = None,
        weight: float = 1.0,
        relaxation: float = 1.0,
        encoder: bool = False,
        seed: int | None = None,
        names: Sequence[str] | None = None,
        **kwargs,
    ):
        super().__init__(num_classes, weight, names, seed, **kwargs)
        self.encoder = checks.boolean("encoder", encoder)
        self.draw = layers.GumbelSoftmax(relaxation, seed)

    def wire(self, pixels, network) -> tuple:
        inputs = self.inputs()
        logits = network.classifier(tuple(pixels.shape[1:]), self.num_classes)(pixels)
        y = self({**inputs, "logits": logits})
        return list(inputs.values()), (y if self.encoder else None), y

    def build(self, input_shape) -> None:
        self.classification.build(list(input_shape.values()))
        self.draw.build(input_shape["logits"])
        self.built = True

    def inferred_y(self, inputs, logits) -> tuple:
        return [], self.most_probable(logits)

    def call(self, inputs, training=False) -> Tensor:
        logits = self.classification([inputs["label"], inputs["logits"]])
        self.count_seen(inputs["label"], training)
        return ops.cast(self.draw(logits, training=training), self.compute_dtype)

    def compute_output_spec(self, inputs, training=False) -> keras.KerasTensor:
        return keras.KerasTensor(inputs["logits"].shape, dtype=self.compute_dtype)

    def get_config(self) -> dict:
        config = {"relaxation": self.draw.temperature, "encoder": self.encoder, "seed": self.seed}
        return {**super().get_config(), **config}
