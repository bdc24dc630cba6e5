"""Conditional VAEs of tables, for scikit-learn: an estimator and an oversampler.

`import keras_cvae` leaves them out: import `keras_cvae.estimators`.
"""

from keras_cvae.estimators.estimator import CVAEEstimator
from keras_cvae.estimators.oversampler import CVAEOversampler

__all__ = ["CVAEEstimator", "CVAEOversampler"]
