"""The evidence lower bound, with a weight on the KL divergence."""

from __future__ import annotations

from keras_cvae import checks, graph, layers
from keras_cvae.objectives.base import Objective


class ELBO(Objective):
    r"""-log p(x | z, y) + beta KL(q(z | x, y) || p(z | y)), with one sample z ~ q(z | x, y).

    Args:
        beta: Weight of the KL divergence; 1 makes the loss minus the ELBO. It becomes a weight of
            the layers `kl`, which may be assigned to while `fit` runs.

    Raises:
        ValueError: If `beta` is negative or not finite.

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114); beta:
        [Higgins et al., 2017](https://openreview.net/forum?id=Sy2fzU9gl).
    """

    def __init__(self, beta: float = 1.0):
        self.beta = checks.number("beta", beta, least=0)

    def wire(self, x, encoded, y, parts):
        def draw(group, mean, log_var, context):
            sampling = layers.Sampling(name=group.called("sampling"))
            kl = layers.KLDivergence(self.beta, group.prior, name=group.called("kl"))
            given = parts.given(group, context, mean)
            if group.prior.closed_form:
                return sampling(kl([mean, log_var], **given))
            return kl([mean, log_var, sampling([mean, log_var])], **given)[2]

        z = graph.latents(encoded, y, parts.groups, draw)
        parameters = parts.decoder(graph.join_inputs(z, y))
        return layers.ReconstructionLoss(parts.likelihood, name="reconstruction")([x, parameters])
