"""How `fit` runs fast: many steps in one compiled program, on TensorFlow and on JAX."""

from keras_cvae.fitting.fused import FusedModel

__all__ = ["FusedModel"]
