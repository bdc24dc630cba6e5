r"""The graph's own layers: pixels, sampling, and the terms of minus the ELBO.

-ELBO = -log p(x | z, y) + KL(q(z | x, y) || p(z | y)), z ~ q(z | x, y), in nats per example.

Each loss layer adds its term, averaged over the batch, with `add_loss`: any Keras model with these
layers is trained on the sum of the terms, without a `loss` in `compile`.
"""

from keras_cvae.layers.classification import ClassificationLoss, GumbelSoftmax
from keras_cvae.layers.conversion import to_unit_interval
from keras_cvae.layers.divergence import Divergence, KLDivergence, flat
from keras_cvae.layers.image_model import ImageModel
from keras_cvae.layers.pixels import Binarize, UnitInterval
from keras_cvae.layers.reconstruction import ReconstructionLoss
from keras_cvae.layers.sampling import Repeat, Sampling, reparameterize

__all__ = [
    "Binarize",
    "ClassificationLoss",
    "Divergence",
    "GumbelSoftmax",
    "ImageModel",
    "KLDivergence",
    "ReconstructionLoss",
    "Repeat",
    "Sampling",
    "UnitInterval",
    "flat",
    "reparameterize",
    "to_unit_interval",
]
