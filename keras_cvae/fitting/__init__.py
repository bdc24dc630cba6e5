"""How `fit` runs fast: many steps in one compiled program, on TensorFlow and on JAX."""

from keras_cvae.fitting.fused import FusedModel
from keras_cvae.fitting.inside import replicas

__all__ = ["FusedModel", "replicas"]
