"""Honest numbers: likelihoods in nats, the use of the latents, the quality of samples."""

from keras_cvae.evaluation.bits import as_levels
from keras_cvae.evaluation.estimates import Estimate, average
from keras_cvae.evaluation.labels import label_effect
from keras_cvae.evaluation.latent_use import (
    active_units,
    collapse,
    kl_per_dimension,
    variance_of_means,
)
from keras_cvae.evaluation.likelihood import bits_per_dimension, log_likelihood, terms
from keras_cvae.evaluation.marginal import marginal_log_likelihood
from keras_cvae.evaluation.rates import rate_and_distortion
from keras_cvae.evaluation.repeated import averaged, draws_of, seeded

__all__ = [
    "Estimate",
    "active_units",
    "as_levels",
    "average",
    "averaged",
    "bits_per_dimension",
    "collapse",
    "draws_of",
    "kl_per_dimension",
    "label_effect",
    "log_likelihood",
    "marginal_log_likelihood",
    "rate_and_distortion",
    "seeded",
    "terms",
    "variance_of_means",
]
