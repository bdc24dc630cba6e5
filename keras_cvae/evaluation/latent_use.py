"""Use of the latents: active units, KL divergence by dimension, posterior collapse."""

from __future__ import annotations

import numpy as np
from keras import ops

from keras_cvae import batched, checks, divergences, graph, layers, model_lock, noise
from keras_cvae.evaluation import examples
from keras_cvae.evaluation.likelihood import terms
from keras_cvae.types import Tensor

ACTIVE = 0.01  # variance of its posterior means above which a dimension counts as active
COLLAPSED = 0.05  # KL divergence in nats below which z contains almost no information


def variance_of_means(cvae, x, y=None) -> np.ndarray:
    """Computes Var_x E[z | x, y] of every dimension of z.

    Args:
        cvae: A `CVAE`.
        x: Images of shape `(count, *image_shape)`, uint8 or floats.
        y: Labels or other conditions, as for `CVAE.encode`.

    Returns:
        Array of shape `(latent_dim,)`.

    Raises:
        ValueError: If images or labels are invalid.
    """
    means, _ = cvae.encode(x, y)
    return means.astype("float64").var(0)


def active_units(cvae, x, y=None, *, threshold: float = ACTIVE) -> np.ndarray:
    """Returns which dimensions of z are active: their posterior mean varies with the image.

    Args:
        cvae: As for `variance_of_means`.
        x: As for `variance_of_means`.
        y: As for `variance_of_means`.
        threshold: The variance above which a dimension is active.

    Returns:
        Array of booleans, of shape `(latent_dim,)`; their sum is the number of active units.

    Raises:
        ValueError: As for `variance_of_means`.

    Reference:
        [Burda et al., 2016, section 5.2](https://arxiv.org/abs/1509.00519).
    """
    return variance_of_means(cvae, x, y) > threshold


def by_use(variance: np.ndarray, threshold: float = ACTIVE) -> list[int]:
    """Returns the active dimensions, most active first.

    Args:
        variance: The variance of each dimension, from `variance_of_means`.
        threshold: As for `active_units`.
    """
    order = np.argsort(-variance, kind="stable")
    return [int(dim) for dim in order if variance[dim] > threshold]


@model_lock.one_at_a_time
def kl_per_dimension(cvae, x, y=None, *, seed: int = 0) -> np.ndarray:
    r"""Computes KL(q(z_i | x, y) || p(z_i | y)) of each image and dimension.

    For one group of latents it is exact, and its sum over dimensions is the KL divergence of the
    bound. With several groups, it is conditional on one sample of the groups above.

    Args:
        cvae: A `CVAE` whose priors are diagonal normals.
        x: As for `variance_of_means`.
        y: As for `variance_of_means`.
        seed: Seed of the samples.

    Returns:
        Array of shape `(count, latent_dim)`, in nats.

    Raises:
        ValueError: If a prior is not a diagonal normal, so that its KL divergence is not a sum over
            dimensions; or if images or labels are invalid.
    """
    parts = graph.read(cvae)
    for group in parts.groups:
        expected = "must have a prior that is a diagonal normal"
        checks.require(group.prior.closed_form, "cvae", expected, type(group.prior).__name__)
    x, values = examples.check(cvae, x, y)
    pixels = examples.pixels(cvae, x)
    model, generators = _model(cvae, parts)
    noise.seed_states([generator.state for generator in generators], seed)
    return batched.predict(model, [pixels, *values] if values else pixels)


def _model(cvae, parts):
    """Returns a model from pixels and conditions to the divergences, and its seed generators."""
    x, inputs, y, encoded = graph.encode_pixels(cvae, parts)
    kl = []

    def sample(group, mean, log_var, context) -> Tensor:
        arguments = parts.prior_arguments(group, context, mean)
        # A diagonal normal maps noise of 0 to its mean, and of 1 to one deviation above its mean.
        centre = group.prior(ops.zeros_like(mean), **arguments)
        deviation = group.prior(ops.ones_like(mean), **arguments) - centre
        q_and_p = mean, log_var, centre, 2.0 * ops.log(deviation)
        by_dimension = (ops.expand_dims(parameter, -1) for parameter in q_and_p)
        kl.append(divergences.normal_kl(*by_dimension))
        return layers.Sampling(name=group.name_of("sampling"))([mean, log_var])

    graph.latents(encoded, y, parts.groups, sample)
    model = layers.ImageModel([x, *inputs] if inputs else x, graph.concatenate(kl, "kl_of_all"))
    sampling = [layer for layer in model.layers if isinstance(layer, layers.Sampling)]
    return model, [layer.seed_generator for layer in sampling]


def collapse(cvae, x, y=None, *, seed: int = 0) -> str:
    """Describes in a sentence whether the posterior has collapsed to the prior.

    It has collapsed if a KL divergence is below `COLLAPSED` nats, or if no dimension is active.

    Args:
        cvae: A `CVAE`.
        x: As for `variance_of_means`.
        y: As for `variance_of_means`.
        seed: Seed of one sample of z for each image.

    Returns:
        "Posterior collapse: ...", "Partial collapse: ..." or "No posterior collapse: ...".

    Raises:
        ValueError: As for `variance_of_means`.
    """
    values = terms(cvae, x, y, draws=1, seed=seed)
    kl = {name: float(values[name].mean()) for name in cvae.kl_terms}
    return verdict(kl, active_units(cvae, x, y))


def verdict(kl: dict[str, float], active: np.ndarray) -> str:
    """Returns the sentence of `collapse`.

    Args:
        kl: The KL divergence of each group of latents, by name, in nats.
        active: Whether each dimension of z is active, from `active_units`.
    """
    total, used = sum(kl.values()), int(active.sum())
    use = f"{used} of {len(active)} dimensions are in use, with {total:.2f} nats in all"
    if total < COLLAPSED:
        return f"Posterior collapse: z contains almost no information; {use}"
    if not used:
        return f"Posterior collapse: the mean of z does not depend on the example; {use}"
    idle = [name for name, nats in kl.items() if nats < COLLAPSED]
    if idle:
        return f"Partial collapse: {', '.join(idle)} is almost 0; {use}"
    return f"No posterior collapse: {use}"
