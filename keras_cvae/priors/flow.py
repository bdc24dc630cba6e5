"""A prior that transforms N(0, I) by affine coupling layers."""

from __future__ import annotations

from collections.abc import Sequence

import keras
from keras import ops

from keras_cvae.priors.couplings import Couplings
from keras_cvae.types import Tensor

LIMIT = 3.0  # limit of the logarithm of a coupling's scale


@keras.saving.register_keras_serializable("keras_cvae")
class Flow(Couplings):
    r"""A normalising flow of affine couplings (RealNVP).

    z = f_L(... f_1(eps)), eps ~ N(0, I). A coupling leaves one half of its input unchanged, and
    scales and shifts the other by dense networks of the first and of y:

    f(a, b) = (a, b exp(s(a, y)) + t(a, y)),    log |det df| = \sum s

    The two halves alternate. Both directions are closed forms, so that

    log p(z | y) = log N(f^-1(z); 0, I) - \sum_l log |det df_l|

    is exact. It starts as N(0, I), and a hyperbolic tangent limits s to [-3, 3].

    Args:
        couplings: The number of couplings; two change every latent once.
        hidden_units: Units of each hidden layer of a coupling's network.
        activation: Activation of the hidden layers.
        conditional: Whether y is an input of the networks.

    Raises:
        ValueError: If an argument is not one of the above; and in `build`, for a single latent,
            which has no halves.

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
            kept, moved = self._order(index, self.sizes)
            self.add_network(kept + width, 2 * moved)  # s and t
        self.built = True

    def inverse(self, z, y=None) -> tuple[Tensor, Tensor]:
        halves, log_det = self._halves(z), 0.0
        for index in reversed(range(self.couplings)):
            kept, moved = self._order(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._order(index, (kept, (moved - shift) * ops.exp(-log_scale)))
            log_det = log_det - ops.sum(log_scale, axis=-1)
        return ops.concatenate(halves, axis=-1), log_det

    def transport(self, noise, y=None) -> Tensor:
        halves = self._halves(noise)
        for index in range(self.couplings):
            kept, moved = self._order(index, halves)
            log_scale, shift = self._coupling(index, kept, y)
            halves = self._order(index, (kept, moved * ops.exp(log_scale) + shift))
        return ops.concatenate(halves, axis=-1)

    def _halves(self, vector):
        return vector[..., : self.sizes[0]], vector[..., self.sizes[0] :]

    def _order(self, index, pair):
        """Returns a pair of halves with the one that a coupling keeps first; or back again."""
        return pair[:: (-1) ** index]

    def _coupling(self, index, kept, y):
        """Returns the logarithm of a coupling's scale, and its shift."""
        parameters = self.parameters(index, kept, y if self.conditional else None)
        log_scale, shift = ops.split(parameters, 2, axis=-1)
        return LIMIT * ops.tanh(log_scale / LIMIT), shift
