"""A prior that is N(0, I), bent by coupling layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.priors.base import Prior
from keras_cvae.types import Tensor

LIMIT = 3.0  # of the logarithm of one coupling's scale


@keras.saving.register_keras_serializable("keras_cvae")
class Flow(Prior):
    r"""A normalising flow of affine couplings (RealNVP).

    z = f_L(... f_1(eps)), eps ~ N(0, I). A coupling leaves one part of its input as it is, and
    scales and shifts the other by dense networks of the first and of y:

    f(a, b) = (a, b exp(s(a, y)) + t(a, y)),    log |det df| = \sum s

    The two halves take turns. Both directions are closed forms, so that

    log p(z | y) = log N(f^-1(z); 0, I) - \sum_l log |det df_l|

    is exact. It starts as N(0, I), and s is held within +-3 by a tangent hyperbolic.

    Args:
        couplings: How many couplings; two move every latent once.
        hidden_units: Units of each hidden layer of a coupling's network.
        activation: Activation of the hidden layers.
        conditional: Whether the networks take y.

    Raises:
        ValueError: If an argument is not one of the above; and where it is built, for a single
            latent, which has no halves.

    Reference:
        [Dinh et al., 2017](https://arxiv.org/abs/1605.08803).
    """

    def __init__(
        self,
        couplings: int = 4,
        hidden_units: Sequence[int] = (64,),
        activation="relu",
        conditional: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.couplings = checks.integer("couplings", couplings, least=1)
        self.hidden_units = checks.integers("hidden_units", hidden_units)
        self.activation = keras.activations.get(activation)
        self.conditional = bool(conditional)
        self.networks = []

    def build(self, z_shape, y_shape=None):
        size = z_shape[-1]
        if self.conditional and y_shape is None:
            raise checks.ArgumentError("prior", "must depend on a condition that is there", "no y")
        checks.require(size > 1, "latent_dim", "of a flow must be an integer of at least 2", size)
        width = y_shape[-1] if self.conditional else 0
        first = size // 2
        self.sizes = first, size - first
        for index in range(self.couplings):
            kept, moved = self._in_turn(index, self.sizes)
            self.networks.append(self._network(kept + width, moved))
        self.built = True

    def _network(self, width, moved):
        """Layers from what a coupling keeps, and y, to s and t of what it moves."""
        options = {"activation": self.activation, "dtype": "float32"}
        layers = [keras.layers.Dense(units, **options) for units in self.hidden_units]
        layers.append(keras.layers.Dense(2 * moved, kernel_initializer="zeros", dtype="float32"))
        for layer in layers:
            layer.build((None, width))
            width = layer.units
        return layers

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        r"""The noise that becomes `z`, and minus the log-determinant of the Jacobian on the way.

        Args:
            z: Tensor of shape `(..., latent_dim)`.
            y: Tensor of shape `(..., width)`, where the prior is conditional.

        Returns:
            `(noise, log_det)`: log |det d noise / d z|, of shape `(...)`, in nats.
        """
        halves, log_det = self._halves(z), 0.0
        for index in reversed(range(self.couplings)):
            kept, moved = self._in_turn(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._in_turn(index, (kept, (moved - shift) * ops.exp(-log_scale)))
            log_det = log_det - ops.sum(log_scale, axis=-1)
        return ops.concatenate(halves, axis=-1), log_det

    def log_prob(self, z, y=None) -> Tensor:
        noise, log_det = self.inverse(z, y)
        return divergences.normal_log_prob(noise) + log_det

    def transport(self, noise, y=None) -> Tensor:
        halves = self._halves(noise)
        for index in range(self.couplings):
            kept, moved = self._in_turn(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._in_turn(index, (kept, moved * ops.exp(log_scale) + shift))
        return ops.concatenate(halves, axis=-1)

    def noise(self, z, y=None) -> Tensor:
        return self.inverse(z, y)[0]

    def _halves(self, vector):
        return vector[..., : self.sizes[0]], vector[..., self.sizes[0] :]

    def _in_turn(self, index, pair):
        """A pair of halves as what a coupling keeps and what it moves, or the other way round."""
        return pair[:: (-1) ** index]

    def _coupling(self, index, kept, y):
        """The logarithm of a coupling's scale, and its shift."""
        x = ops.concatenate([kept, ops.cast(y, kept.dtype)], axis=-1) if self.conditional else kept
        for layer in self.networks[index]:
            x = layer(x)
        log_scale, shift = ops.split(x, 2, axis=-1)
        return LIMIT * ops.tanh(log_scale / LIMIT), shift

    def get_config(self):
        config = {
            "couplings": self.couplings,
            "hidden_units": self.hidden_units,
            "activation": keras.activations.serialize(self.activation),
            "conditional": self.conditional,
        }
        return {**super().get_config(), **config}
