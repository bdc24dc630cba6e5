"""Programs with Keras, on the backend of `KERAS_BACKEND`: keras_cvae, and a plain Keras model."""

from __future__ import annotations

import math
import random

import keras
import numpy as np
from architecture import FILTERS, HIDDEN_UNITS, LATENT_DIM, LEARNING_RATE, small_shape, weights
from keras import layers, ops

import keras_cvae
from keras_cvae import networks, objectives


def start(variables, data, model, seed):
    """Sets the initial weights, which are the same for all programs."""
    arrays = [array for pair in weights(model, data, seed) for array in pair]
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(array)


def build(data, model, seed, latent_dim=None, hidden_units=(HIDDEN_UNITS,), samples=1):
    """Returns the model of keras_cvae, and its inputs."""
    random.seed(seed)  # as Keras does it; `set_random_seed` imports TensorFlow on every backend
    if model == "dense":
        own = {"condition": data.num_classes, "network": networks.Dense(hidden_units)}
        inputs = [data.images, data.labels]
    else:
        own = {"network": networks.Conv(FILTERS), "binarize": "threshold"}
        inputs = data.images
    if samples > 1:
        own["objective"] = objectives.IWAE(samples)
    size = latent_dim or LATENT_DIM[model]
    cvae = keras_cvae.build_cvae(data.image_shape, latent_dim=size, **own)
    if (size, *hidden_units) == (LATENT_DIM[model], HIDDEN_UNITS):
        start(cvae.trainable_variables, data, model, seed)
    return cvae, inputs


def stream(data, batch_size, seed, as_inputs=False):
    """Shuffled batches, `(image, label)`: a `DataLoader` on torch, elsewhere `tf.data`.

    With `as_inputs` they are `((image, label),)`, which Keras treats as two inputs.
    """
    if keras.backend.backend() == "torch":
        import torch
        from torch.utils.data import DataLoader, TensorDataset, default_collate

        def collate(rows):
            batch = tuple(default_collate(rows))
            return (batch,) if as_inputs else batch

        torch.manual_seed(seed)
        rows = TensorDataset(torch.from_numpy(data.images), torch.from_numpy(data.labels))
        return DataLoader(rows, batch_size, shuffle=True, collate_fn=collate)
    import tensorflow as tf

    rows = data.images, data.labels
    rows = tf.data.Dataset.from_tensor_slices((rows,) if as_inputs else rows)
    return rows.shuffle(len(data.images), seed).batch(batch_size).prefetch(tf.data.AUTOTUNE)


def library(data, model, batch_size, seed, streamed=False, **options):
    """`fit` of keras_cvae, from arrays or a stream; `options` are passed to `build`."""
    cvae, x = build(data, model, seed, **options)
    cvae.compile(keras.optimizers.Adam(LEARNING_RATE[model]))
    inputs = {"x": x, "batch_size": batch_size}
    if streamed:
        inputs = {"x": stream(data, batch_size, seed)}

    def train(epochs):
        return cvae.fit(**inputs, epochs=epochs, verbose=0).history["loss"][-1]

    return train


class PlainVAE(keras.Model):
    """The VAE as a subclassed Keras model, with `add_loss`."""

    def __init__(self, data, model):
        super().__init__()
        self.scale, self.num_classes = data.scale, data.num_classes
        self.conv = model == "conv"
        pixels, latent_dim = math.prod(data.image_shape), LATENT_DIM[model]
        if self.conv:
            first, second = FILTERS
            same = {"padding": "same", "activation": "relu"}
            small = small_shape(data.image_shape)
            hidden = [
                layers.Conv2D(first, 3, 2, **same),
                layers.Conv2D(second, 3, 2, **same),
                layers.Flatten(),
            ]
            decoder = [
                layers.Dense(math.prod(small), activation="relu"),
                layers.Reshape(small),
                layers.Conv2DTranspose(second, 3, 2, **same),
                layers.Conv2DTranspose(first, 3, 2, **same),
                layers.Conv2DTranspose(data.image_shape[-1], 3, padding="same"),
                layers.Flatten(),
            ]
        else:
            hidden = [layers.Dense(HIDDEN_UNITS, activation="relu")]
            decoder = [layers.Dense(HIDDEN_UNITS, activation="relu"), layers.Dense(pixels)]
        self.hidden = keras.Sequential(hidden)
        self.z_mean, self.z_log_var = layers.Dense(latent_dim), layers.Dense(latent_dim)
        self.decoder = keras.Sequential(decoder)
        self.flatten = layers.Flatten()
        self.noise = keras.random.SeedGenerator()

    def call(self, inputs):
        image, label = inputs
        image = ops.cast(image, "float32") / self.scale
        if self.conv:
            image = ops.cast(image > 0.5, "float32")
        x = self.flatten(image)
        y = ops.one_hot(label, self.num_classes)
        hidden = self.hidden(image if self.conv else ops.concatenate([x, y], axis=-1))
        z_mean, z_log_var = self.z_mean(hidden), self.z_log_var(hidden)
        eps = keras.random.normal(ops.shape(z_mean), seed=self.noise)
        z = z_mean + ops.exp(0.5 * z_log_var) * eps
        logits = self.decoder(z if self.conv else ops.concatenate([z, y], axis=-1))
        # -log p(x | z, y) + KL(q(z | x, y) || p(z))
        reconstruction = ops.sum(ops.softplus(logits) - x * logits, axis=-1)
        kl = -0.5 * ops.sum(1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var), axis=-1)
        self.add_loss(ops.mean(reconstruction + kl))
        return logits


def plain(data, model, batch_size, seed, streamed=False, **options):
    """`fit` of a plain Keras model, from arrays or a stream; `options` are passed to `compile`."""
    random.seed(seed)
    vae = PlainVAE(data, model)
    vae.compile(keras.optimizers.Adam(LEARNING_RATE[model]), **options)
    vae((data.images[:1], data.labels[:1]))  # builds its layers
    start(vae.trainable_variables, data, model, seed)
    inputs = {"x": (data.images, data.labels), "batch_size": batch_size}
    if streamed:
        inputs = {"x": stream(data, batch_size, seed, as_inputs=True)}

    def train(epochs):
        return vae.fit(**inputs, epochs=epochs, verbose=0).history["loss"][-1]

    return train


def _latents(data, model, cvae, count):
    z = np.random.default_rng(0).standard_normal((count, cvae.latent_dim), "float32")
    return z, np.arange(count) % data.num_classes if model == "dense" else None


def generate(data, model, batch_size, seed, count):
    """`cvae.generate` of `count` images, with all labels in turn."""
    cvae, _ = build(data, model, seed)
    _, labels = _latents(data, model, cvae, count)

    def sample():
        images = cvae.generate(labels, count=count, seed=seed, batch_size=batch_size)
        return float(images.mean())

    return sample


def sheet(data, model, batch_size, seed, side):
    """`cvae.decode` of a `(side, side, latent_dim)` grid in one call."""
    cvae, _ = build(data, model, seed)
    z, labels = _latents(data, model, cvae, side * side)
    z = z.reshape(side, side, -1)
    labels = None if labels is None else labels.reshape(side, side)
    return lambda: float(cvae.decode(z, labels).mean())


def one_by_one(data, model, batch_size, seed, side):
    """One `predict` of the generator for each image of the grid."""
    cvae, _ = build(data, model, seed)
    z, labels = _latents(data, model, cvae, side * side)

    def sample():
        pictures = []
        for i in range(len(z)):
            inputs = z[i : i + 1] if labels is None else [z[i : i + 1], labels[i : i + 1]]
            pictures.append(cvae.generator.predict(inputs, verbose=0)[0])
        return float(np.mean(pictures))

    return sample


def log_likelihood(data, model, batch_size, seed, samples):
    """Importance-weighted log-likelihood with `samples` samples of z per image."""
    from keras_cvae import evaluation

    cvae, _ = build(data, model, seed)
    labels = data.labels if model == "dense" else None

    def measure():
        estimate = evaluation.log_likelihood(cvae, data.images, labels, samples=samples, verbose=0)
        return float(-estimate.mean())

    return measure
