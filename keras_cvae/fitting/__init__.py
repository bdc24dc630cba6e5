"""How `fit` runs fast: many steps in one call, compiled or, on torch, traced."""

from keras_cvae.fitting.fused import FusedModel
from keras_cvae.fitting.inside import Directions, replicas

__all__ = ["Directions", "FusedModel", "replicas"]
