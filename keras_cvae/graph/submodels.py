"""The submodels of a graph, such as the encoder, each built at its first use."""

from __future__ import annotations

import functools

import keras
import numpy as np
from keras import ops

from keras_cvae import batched
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

    def generate_means(self, rows, batch_size: int) -> np.ndarray:
        """Computes mean images from noise.

        Args:
            rows: `[noise, temperature, *values]`: samples of N(0, I) of shape
                `(count, latent_dim)`, temperatures of shape `(count, 1)`, and the checked values of
                the condition.
            batch_size: The number of images to compute at a time.

        Returns:
            Array of shape `(count, *image_shape)`.
        """
        in_float64 = self._model.likelihood.in_float64()
        if in_float64:
            return in_float64(batched.predict(self.parameter_generator, rows, batch_size))
        return batched.predict(self.tempered_generator, rows, batch_size)

    def generate_samples(self, rows, batch_size: int, seed: int) -> np.ndarray:
        """Samples images of p(x | z, y) from noise.

        Args:
            rows: As for `generate_means`.
            batch_size: As for `generate_means`; samples depend on it.
            seed: Seed of the samples of x.

        Returns:
            Array of shape `(count, *image_shape)`.
        """
        likelihood, images = self._model.likelihood, []
        in_float64 = likelihood.in_float64()
        batches = -(-len(rows[0]) // batch_size)
        seeds = np.random.default_rng(seed).integers(2**31 - 1, size=batches)
        for index, batch_seed in enumerate(seeds):
            batch = [row[index * batch_size : (index + 1) * batch_size] for row in rows]
            parameters = batched.predict(self.parameter_generator, batch, batch_size)
            if in_float64:
                images.append(in_float64(parameters, int(batch_seed)))
                continue
            sampled = likelihood.sample(ops.convert_to_tensor(parameters), int(batch_seed))
            images.append(ops.convert_to_numpy(sampled))
        return np.concatenate(images)

    def decode_means(self, rows, batch_size: int) -> np.ndarray:
        """Computes mean images from latents.

        Args:
            rows: Latents of shape `(count, latent_dim)`, or `[latents, *values]` with the checked
                values of the condition.
            batch_size: As for `generate_means`.

        Returns:
            Array of shape `(count, *image_shape)`.
        """
        in_float64 = self._model.likelihood.in_float64()
        if in_float64:
            return in_float64(batched.predict(self.decoder, rows, batch_size))
        return batched.predict(self.mean_decoder, rows, batch_size)
