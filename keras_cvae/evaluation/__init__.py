"""Honest numbers: log p(x | y) in nats and in bits."""

from keras_cvae.evaluation.labels import label_effect
from keras_cvae.evaluation.likelihood import bits_per_dimension, log_likelihood, terms
from keras_cvae.evaluation.repeated import averaged, draws_of, seeded

__all__ = [
    "averaged",
    "bits_per_dimension",
    "draws_of",
    "label_effect",
    "log_likelihood",
    "seeded",
    "terms",
]
