"""The one graph of a model: how the parts are wired, and how other models are cut from it.

    image -> [pixels] -> [binarize] -> [standardize] -> [corruption] -> encoder -> latents
    latents -> decoder -> reconstruction
    label -> condition -> y -> encoder, prior, decoder

A condition with several y for each example repeats the example as rows before the encoder, and
chooses one row of the reconstruction. The objective wires the part between encoder and
reconstruction. The chain of latents is the same for all models: z of each group depends on y and
the groups above it. It is a sample of the posterior in training and in the K-sample bound, the
posterior's mean in the encoder, and a sample of the prior in the generator. Parts are identified by
their names, which a saved model keeps.
"""

from keras_cvae.graph.chain import concatenate, join_inputs, latents
from keras_cvae.graph.cutting import (
    cut_classifier,
    cut_condition,
    cut_decoder,
    cut_encoder,
    cut_encoder_inputs,
    cut_generator,
    encode_pixels,
    pixels,
)
from keras_cvae.graph.parts import Group, Parts, by_term
from keras_cvae.graph.reading import read
from keras_cvae.graph.rewiring import with_prior
from keras_cvae.graph.submodels import Submodels
from keras_cvae.graph.wiring import wire
from keras_cvae.names import NAMES, is_reserved

__all__ = [
    "NAMES",
    "Group",
    "Parts",
    "Submodels",
    "by_term",
    "concatenate",
    "cut_classifier",
    "cut_condition",
    "cut_decoder",
    "cut_encoder",
    "cut_encoder_inputs",
    "cut_generator",
    "encode_pixels",
    "is_reserved",
    "join_inputs",
    "latents",
    "pixels",
    "read",
    "wire",
    "with_prior",
]
