"""An adversary that predicts the condition from z, against which the encoder is trained."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks, layers, terms
from keras_cvae.objectives.base import OneSample
from keras_cvae.types import Tensor

LEAST = 1e-6  # least variance: below it, all y of a batch count as equal


@keras.saving.register_keras_serializable("keras_cvae")
class AdversaryLoss(terms.LossLayer):
    r"""Loss layer: adds the share of the variance of y that a dense network of z does not predict.

    |y - f(z)|^2 / Var(y), averaged over the examples of the batch whose y is known. f is trained by
    its gradient, and z by -weight times this gradient while the average is below 1, the error of
    the constant prediction mean(y). Beyond 1, f would be misled while z contains as much of y.

    Args:
        weight: Weight of the term for z, in nats.
        hidden_units: Units of each hidden layer of f.

    Call arguments:
        inputs: `[z, y]`, tensors of shape `(batch, latent_dim)` and `(batch, width)`. A y of all
            zeros is unknown. No gradient flows to y.

    Returns:
        z, unchanged; use it in the rest of the graph.

    Raises:
        ValueError: If an argument is not one of the above.

    Reference:
        [Ganin et al., 2016](https://arxiv.org/abs/1505.07818), for the reversed gradient.
    """

    def __init__(self, weight: float = 30.0, hidden_units: Sequence[int] = (256,), **kwargs):
        super().__init__(**kwargs)
        self.weight = checks.number("weight", weight, least=0)
        self.hidden_units = checks.integers("hidden_units", hidden_units)

    @property
    def units(self) -> dict[str, str]:  # type: ignore[override]
        """See `LossLayer`."""
        return {self.name: "share of the variance of y"}

    def build(self, input_shape) -> None:
        z, y = input_shape
        relu = {"activation": "relu", "dtype": "float32"}
        self.network = [keras.layers.Dense(units, **relu) for units in self.hidden_units]
        self.network.append(keras.layers.Dense(y[-1], dtype="float32"))
        for layer in self.network:
            layer.build(z)
            z = (*z[:-1], layer.units)
        self.built = True

    def call(self, inputs) -> Tensor:
        z, y = inputs
        fixed, y = ops.stop_gradient(z), ops.stop_gradient(y)
        error = ops.stop_gradient(ops.mean(unexplained_variance(y, self.predict(fixed))))
        weight = self.weight * ops.cast(error < 1.0, z.dtype)
        opposed = fixed + weight * (fixed - z)  # equal to z, with the gradient reversed
        self.add_term(unexplained_variance(y, self.predict(opposed)))
        return z

    def predict(self, z) -> Tensor:
        """Returns f(z), the prediction of y, of shape `(batch, width)`."""
        for layer in self.network:
            z = layer(z)
        return z

    def compute_output_shape(self, input_shape) -> tuple:
        return input_shape[0]

    def get_config(self) -> dict:
        config = {"weight": self.weight, "hidden_units": self.hidden_units}
        return {**super().get_config(), **config}


def unexplained_variance(y, predicted) -> Tensor:
    """Returns terms of each example whose mean is |y - predicted|^2 / Var(y).

    Unknown y, rows of zeros, have a term of 0 and are left out of the variance. If all known y
    are equal, all terms are 0.

    Args:
        y: Tensor of shape `(batch, width)`.
        predicted: Tensor of the same shape.

    Returns:
        Tensor of shape `(batch,)`.
    """
    known = ops.cast(ops.any(ops.not_equal(y, 0.0), axis=-1, keepdims=True), y.dtype)
    share = ops.maximum(ops.mean(known), LEAST)
    centre = ops.mean(y, axis=0) / share
    variance = ops.mean(known * ops.square(y - centre)) / share
    error = ops.mean(known * ops.square(y - predicted), axis=-1) / share
    return ops.where(variance > LEAST, error / ops.maximum(variance, LEAST), 0.0)


@keras.saving.register_keras_serializable("keras_cvae")
class Adversary(OneSample):
    r"""-log p(x | z, y) + beta KL(q(z | x, y) || p(z | y)), with an adversary to predict y from z.

    The more information on y is in z, the less the decoder uses y, and the less a change of the
    label changes an image. A dense network f learns to predict y from z, by least squares; the
    encoder is trained to raise its error to that of the constant prediction mean(y), so that z
    has no information on the mean of y, which for classes is y itself. y may be of any kind:
    classes, vectors, attributes. Examples with an unknown y (-1, NaN, or hidden by `dropout`) are
    left out; of several attributes, the known ones count.

    The reported `adversary` is the share of the variance of y that f does not predict, 1 if it
    predicts nothing. This term makes the loss differ from minus the ELBO, and may rise in training:
    monitor `val_elbo`. `evaluation.label_leakage` measures the information on y that the adversary
    misses.

    Args:
        weight: Weight of the adversary's term for the encoder, in nats.
        beta: Weight of the KL divergence.
        hidden_units: Units of each hidden layer of the adversary.

    Raises:
        ValueError: If an argument is not one of the above; in `build_cvae`, if there is no
            condition.

    Reference:
        [Edwards and Storkey, 2016](https://arxiv.org/abs/1511.05897), for an adversary that
        removes the label from an autoencoder's latents;
        [Lample et al., 2017](https://arxiv.org/abs/1706.00409), for one with a decoder
        that takes y.
    """

    monitor = "val_elbo"

    def __init__(
        self, weight: float = 30.0, beta: float = 1.0, hidden_units: Sequence[int] = (256,)
    ):
        self.weight = checks.number("weight", weight, least=0)
        self.beta = checks.number("beta", beta, least=0)
        self.hidden_units = checks.integers("hidden_units", hidden_units)

    def divergence(self, group, name) -> layers.Divergence:
        return layers.KLDivergence(self.beta, group.prior, name=name)

    def constrain(self, z, y) -> Tensor:
        if y is None:
            raise checks.ArgumentError(
                "objective",
                "Adversary must be used with a `condition`, which it removes from z",
                "condition=None",
            )
        return AdversaryLoss(self.weight, self.hidden_units, name="adversary")([z, y])
