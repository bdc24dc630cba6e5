"""Conditional variational autoencoders for Keras."""

from keras_cvae import (
    callbacks,
    conditions,
    corruptions,
    datasets,
    divergences,
    evaluation,
    latents,
    layers,
    likelihoods,
    models,
    networks,
    objectives,
    plots,
    priors,
    tables,
)
from keras_cvae.cvae import CVAE
from keras_cvae.layers import KLDivergence, ReconstructionLoss, Sampling
from keras_cvae.models import build_cvae
from keras_cvae.networks import (
    build_conv_decoder,
    build_conv_encoder,
    build_dense_decoder,
    build_dense_encoder,
)

__version__ = "0.1.0"

__all__ = [
    "CVAE",
    "KLDivergence",
    "ReconstructionLoss",
    "Sampling",
    "build_conv_decoder",
    "build_conv_encoder",
    "build_cvae",
    "build_dense_decoder",
    "build_dense_encoder",
    "callbacks",
    "conditions",
    "corruptions",
    "datasets",
    "divergences",
    "evaluation",
    "latents",
    "layers",
    "likelihoods",
    "models",
    "networks",
    "objectives",
    "plots",
    "priors",
    "tables",
]
