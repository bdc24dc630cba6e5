"""A prior that is N(0, I), bent by coupling layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae.priors.couplings import Couplings
from keras_cvae.types import Tensor

LIMIT = 3.0  # of the logarithm of one coupling's scale


@keras.saving.register_keras_serializable("keras_cvae")
class Flow(Couplings):
    r"""A normalising flow of affine couplings (RealNVP).

    z = f_L(... f_1(eps)), eps ~ N(0, I). A coupling leaves one part of its input as it is, and
    scales and shifts the other by dense networks of the first and of y:

    f(a, b) = (a, b exp(s(a, y)) + t(a, y)),    log |det df| = \sum s

    The two halves take turns. Both directions are closed forms, so that

    log p(z | y) = log N(f^-1(z); 0, I) - \sum_l log |det df_l|

    is exact. It starts as N(0, I), and s is held within +-3 by a tangent hyperbolic.

    Args:
        couplings: The number of couplings; two change every latent once.
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
        super().__init__(couplings, hidden_units, activation, conditional, **kwargs)

    def build(self, z_shape, y_shape=None) -> None:
        size, width = self.sizes_of(z_shape, y_shape)
        first = size // 2
        self.sizes = first, size - first
        for index in range(self.couplings):
            kept, moved = self._in_turn(index, self.sizes)
            self.add_network(kept + width, 2 * moved)  # s and t
        self.built = True

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        halves, log_det = self._halves(z), 0.0
        for index in reversed(range(self.couplings)):
            kept, moved = self._in_turn(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._in_turn(index, (kept, (moved - shift) * ops.exp(-log_scale)))
            log_det = log_det - ops.sum(log_scale, axis=-1)
        return ops.concatenate(halves, axis=-1), log_det

    def transport(self, noise, y=None) -> Tensor:
        halves = self._halves(noise)
        for index in range(self.couplings):
            kept, moved = self._in_turn(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._in_turn(index, (kept, moved * ops.exp(log_scale) + shift))
        return ops.concatenate(halves, axis=-1)

    def _halves(self, vector):
        return vector[..., : self.sizes[0]], vector[..., self.sizes[0] :]

    def _in_turn(self, index, pair):
        """A pair of halves as what a coupling keeps and what it moves, or the other way round."""
        return pair[:: (-1) ** index]

    def _coupling(self, index, kept, y):
        """The logarithm of a coupling's scale, and its shift."""
        parameters = self.parameters(index, kept, y if self.conditional else None)
        log_scale, shift = ops.split(parameters, 2, axis=-1)
        return LIMIT * ops.tanh(log_scale / LIMIT), shift
