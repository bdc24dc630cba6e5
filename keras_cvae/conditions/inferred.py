"""Class labels that are inferred from the image, and learned from where they are known."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import layers
from keras_cvae.conditions.classes import Classes


@keras.saving.register_keras_serializable("keras_cvae")
class Inferred(Classes):
    """A class label that a classifier q(y | x) predicts from the image.

    A draw from it (a straight-through Gumbel-softmax in training, the most probable class
    otherwise) conditions the decoder. The labels that are given serve the cross-entropy alone, a
    term of the loss in which -1 is left out.

    Args:
        num_classes: How many classes there are, at least 2; may be left out where there are
            `names`.
        weight: Weight of the cross-entropy in the loss.
        relaxation: Temperature of the Gumbel-softmax.
        encoder: Whether the encoder is given the label too, so that z holds the style alone and an
            image can be redrawn as every class.
        seed: Optional integer seed of the draws.
        names: Optional names of the classes, as `Classes` takes them.

    Call arguments:
        inputs: Dict of `label`, integers of shape `(batch,)`, and `logits` of shape
            `(batch, num_classes)`.
        training: Whether to draw.

    Returns:
        One-hot vectors of shape `(batch, num_classes)`.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Kingma et al., 2014](https://arxiv.org/abs/1406.5298), for classifier and autoencoder
        trained together; [Jang et al., 2017](https://arxiv.org/abs/1611.01144), for the relaxation.
    """

    infers = True

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
        super().__init__(num_classes, seed=seed, names=names, **kwargs)
        self.encoder = bool(encoder)
        self.classification = layers.ClassificationLoss(weight, name="classification")
        self.draw = layers.GumbelSoftmax(relaxation, seed)

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms that the layer reports."""
        return self.classification.term_names

    def wire(self, pixels, network):
        inputs = self.inputs()
        logits = network.classifier(tuple(pixels.shape[1:]), self.num_classes)(pixels)
        y = self({**inputs, "logits": logits})
        return list(inputs.values()), (y if self.encoder else None), y

    def build(self, input_shape):
        self.classification.build(list(input_shape.values()))
        self.draw.build(input_shape["logits"])
        self.built = True

    def most_probable(self, logits):
        """The one-hot vectors of the most probable classes, of shape `(batch, num_classes)`."""
        return ops.one_hot(ops.argmax(logits, axis=-1), self.num_classes)

    def given(self, inputs):
        return Classes(self.num_classes)(inputs[0])

    def call(self, inputs, training=False):
        logits = self.classification([inputs["label"], inputs["logits"]])
        return ops.cast(self.draw(logits, training=training), self.compute_dtype)

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs["logits"].shape, dtype=self.compute_dtype)

    def complete(self, values, infer):
        labels = values["label"].copy()
        unknown = self.is_unknown(labels)
        if unknown.any():
            labels[unknown] = infer(unknown).argmax(-1)
        return {"label": labels}

    def is_untrained(self, values):
        return False

    def get_config(self):
        config = super().get_config()
        del config["dropout"]
        return {
            **config,
            "weight": self.classification.weight,
            "relaxation": self.draw.temperature,
            "encoder": self.encoder,
        }
