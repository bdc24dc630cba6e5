"""The importance-weighted bound of K samples."""

from __future__ import annotations

import keras

from keras_cvae import checks, graph, layers
from keras_cvae.objectives import importance
from keras_cvae.objectives.base import Objective
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class IWAE(Objective):
    r"""-log 1/K \sum_k p(x | z_k, y) p(z_k | y) / q(z_k | x, y), with z_k ~ q(z | x, y).

    With K = 1 it is minus the ELBO with a Monte Carlo estimate of the KL divergence.

    Args:
        samples: The number of samples K of each example.
        gradient: `"plain"`, the gradient of the bound by reparameterization, or `"dreg"`, doubly
            reparameterized: equal in expectation, with less variance in the encoder, especially for
            large K.

    Raises:
        ValueError: If `samples` is not an integer of at least 1, or `gradient` is unknown; in
            `build_cvae`, if DReG is used with several groups of latents.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519);
        [Tucker et al., 2019](https://arxiv.org/abs/1810.04152).
    """

    GRADIENTS = {"plain": False, "dreg": True}

    def __init__(self, samples: int = 5, gradient: str = "plain"):
        self.samples = checks.integer("samples", samples, least=1)
        self.path_only = checks.look_up("gradient", gradient, self.GRADIENTS)
        self.gradient = gradient

    def wire(self, x, encoded, y, parts) -> Tensor:
        if self.path_only and len(parts.groups) > 1:
            raise checks.ArgumentError(
                "gradient",
                'must be "plain" for several groups of latents: the posterior of one depends on '
                "samples of another",
                f"'dreg', {len(parts.groups)} groups",
            )
        parameters, log_ratios = wire_samples(encoded, y, parts, self.samples, self.path_only)
        loss = importance.ImportanceWeightedLoss(
            self.samples, parts.likelihood, len(parts.groups), name="reconstruction"
        )
        return loss([x, parameters, *log_ratios])


def wire_samples(encoded, y, parts, samples: int, path_only: bool = False) -> tuple:
    """Wires K samples of each example, as rows, up to the decoder's output.

    Args:
        encoded: As for `Objective.wire`.
        y: As for `Objective.wire`.
        parts: The `graph.Parts` of the model.
        samples: The number of samples K.
        path_only: Whether to wire for the doubly reparameterized gradient.

    Returns:
        `(parameters, log_ratios)`: the decoder's output, of `batch * K` rows, and the further
        inputs of `LogWeights`.
    """
    if samples > 1:
        repeat = layers.Repeat(samples, name="samples")
        *encoded, y = repeat([*encoded, y]) if y is not None else [*repeat(encoded), None]
    log_ratios, carriers = [], []

    def sample(group, mean, log_var, context) -> Tensor:
        z = layers.Sampling(name=group.name_of("sampling"))([mean, log_var])
        if path_only:
            z, carrier = importance.WeightedPath(name=group.name_of("path"))(z)
            carriers.append(carrier)
        log_ratio = importance.LogRatio(group.prior, path_only, name=group.name_of("kl"))
        arguments = parts.prior_arguments(group, context, mean)
        log_ratios.append(log_ratio([mean, log_var, z], **arguments))
        return z

    z = graph.latents(encoded, y, parts.groups, sample)
    return parts.decoder(graph.join_inputs(z, y)), [*log_ratios, *carriers]
