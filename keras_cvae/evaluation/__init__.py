"""Honest numbers: log p(x | y) in nats and in bits."""

from keras_cvae.evaluation.likelihood import bits_per_dimension, log_likelihood

__all__ = ["bits_per_dimension", "log_likelihood"]
