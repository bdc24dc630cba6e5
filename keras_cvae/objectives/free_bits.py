"""A KL divergence with free bits: a part of it is not penalised."""

from __future__ import annotations

import keras
from keras import ops

from keras_cvae import checks, layers, terms
from keras_cvae.objectives.base import OneSample
from keras_cvae.types import Tensor

PER = {"dimension": True, "group": False}


@keras.saving.register_keras_serializable("keras_cvae")
class FreeBitsLoss(layers.Divergence):
    r"""Loss layer: adds \sum_j max(free, KL_j), KL_j averaged over the batch, in nats.

    Args:
        free: Free nats of each dimension.
        per: `"dimension"`, where j are the dimensions of z, or `"group"`, where the term is
            max(free * latent_dim, KL), as it also is if the prior's KL divergence is not a sum over
            dimensions.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Raises:
        ValueError: If an argument is not one of the above.
    """

    def __init__(
        self, free: float = 0.1, per: str = "dimension", prior="standard_normal", **kwargs
    ):
        super().__init__(prior, **kwargs)
        self.free = checks.number("free", free, least=0)
        self.by_dimension = checks.look_up("per", per, PER) and self.prior.closed_form
        self.per = per

    def call(self, inputs, y=None) -> list[Tensor]:
        mean, log_var, *_ = map(layers.flat, inputs)
        if self.by_dimension:
            kl = self.prior.kl_by_dimension(mean, log_var, y)
            self.report(self.name, ops.sum(kl, axis=-1))
            self.add_to_loss(ops.sum(ops.maximum(terms.average(kl), self.free)))
        else:
            kl = self.report(self.name, self.kl(inputs, y))
            self.add_to_loss(ops.maximum(kl, self.free * mean.shape[-1]))
        return inputs

    def get_config(self) -> dict:
        return {**super().get_config(), "free": self.free, "per": self.per}


@keras.saving.register_keras_serializable("keras_cvae")
class FreeBits(OneSample):
    r"""-log p(x | z, y) + \sum_j max(free, KL_j): the first nats of each dimension are free.

    KL_j is the share of dimension j in KL(q(z | x, y) || p(z | y)), averaged over the batch (with
    the weights of its examples). Below `free` its gradient is zero, so that a dimension can come
    into use without a penalty. The loss is at least `free` times `latent_dim`; `kl` and `elbo` do
    not depend on `free`.

    Args:
        free: Free nats of each dimension.
        per: `"dimension"`, or `"group"`: the free nats of all dimensions of a group of latents are
            shared, max(free * size, KL), as they are after `fit_prior`, whose prior may have no
            closed form of the KL divergence.

    Raises:
        ValueError: If an argument is not one of the above; in `build_cvae`, if `per` is
            `"dimension"` and the prior's KL divergence has no closed form.

    Reference:
        [Kingma et al., 2016](https://arxiv.org/abs/1606.04934), section C.8.
    """

    def __init__(self, free: float = 0.1, per: str = "dimension"):
        self.free = checks.number("free", free, least=0)
        checks.look_up("per", per, PER)
        self.per = per

    def divergence(self, group, name) -> layers.Divergence:
        if PER[self.per] and not group.prior.closed_form:
            raise checks.ArgumentError(
                "per",
                f'must be "group" for a {type(group.prior).__name__} prior: its KL '
                "divergence has no closed form, dimension by dimension",
                "'dimension'",
            )
        return FreeBitsLoss(self.free, self.per, group.prior, name=name)
