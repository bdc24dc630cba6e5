"""Conditional variational autoencoders for Keras."""

from keras_cvae import (
    callbacks,
    conditions,
    conv,
    dense,
    divergences,
    evaluation,
    latents,
    layers,
    likelihoods,
    models,
    plots,
    priors,
    strokes,
)
from keras_cvae.conv import build_conv_decoder, build_conv_encoder
from keras_cvae.cvae import CVAE
from keras_cvae.data import datasets
from keras_cvae.dense import build_dense_decoder, build_dense_encoder
from keras_cvae.layers import KLDivergence, ReconstructionLoss, Sampling
from keras_cvae.models import build_cvae

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
    "conv",
    "datasets",
    "dense",
    "divergences",
    "evaluation",
    "latents",
    "layers",
    "likelihoods",
    "models",
    "plots",
    "priors",
    "strokes",
]
