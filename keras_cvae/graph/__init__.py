"""The one graph of a model: how the parts are wired, and how other models are cut from it.

    image -> [pixels] -> [binarize] -> [standardize] -> [corruption] -> encoder -> latents
    latents -> decoder -> reconstruction
    label -> condition -> y, which encoder, prior and decoder are given

A condition that looks at several y for each example makes rows of it before the encoder, which all
that follows takes for examples, and of the rows of the reconstruction one for each example again.
What lies between encoder and reconstruction is the objective's; the chain of latents is the same
for all: each group's z is drawn given y and the groups before it, and only the way of drawing
differs: from the posterior for training and for the K-sample bound, its mean for embedding, from
the prior for generation. Parts are found again by their names, which a saved model keeps.
"""

from keras_cvae.graph.chain import end_to_end, join_inputs, latents
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
    "cut_classifier",
    "cut_condition",
    "cut_decoder",
    "cut_encoder",
    "cut_encoder_inputs",
    "cut_generator",
    "encode_pixels",
    "end_to_end",
    "is_reserved",
    "join_inputs",
    "latents",
    "pixels",
    "read",
    "wire",
    "with_prior",
]
