"""The submodels of a graph, such as the encoder, each built at its first use."""

from __future__ import annotations

import functools

import keras

from keras_cvae.graph import cutting
from keras_cvae.graph.reading import read


class Submodels:
    """The models that share the layers of a `CVAE`.

    Args:
        model: The `CVAE`.
    """

    def __init__(self, model):
        self._model = model

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """Model `[image, label]` to `[z_mean, z_log_var]`."""
        return cutting.cut_encoder(self._model)

    @functools.cached_property
    def decoder(self) -> keras.Model:
        """Model `[z, label]` to the likelihood's parameters."""
        return cutting.cut_decoder(self._model)

    @functools.cached_property
    def mean_decoder(self) -> keras.Model:
        """Model `[z, label]` to the mean image."""
        return cutting.cut_decoder(self._model, read(self._model).likelihood)

    @functools.cached_property
    def generator(self) -> keras.Model:
        """Model `[noise, label]` to the mean image."""
        return cutting.cut_generator(self._model)

    @functools.cached_property
    def tempered_generator(self) -> keras.Model:
        """Model `[noise, temperature, label]` to the mean image."""
        return cutting.cut_generator(self._model, read(self._model).likelihood)

    @functools.cached_property
    def parameter_generator(self) -> keras.Model:
        """Model `[noise, temperature, label]` to the likelihood's parameters."""
        return cutting.cut_generator(self._model, lambda parameters: parameters)

    @functools.cached_property
    def noise(self) -> keras.Model:
        """Model `[z, label]` to the noise that the generator maps to z."""
        return cutting.cut_noise(self._model)

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """Model `image` to the probabilities q(y | x) of each class."""
        return cutting.cut_classifier(self._model)
