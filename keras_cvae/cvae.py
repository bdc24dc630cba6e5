"""The conditional VAE: training, the models cut from its graph, and what they are used for."""

from __future__ import annotations

import functools
import warnings

import keras
import numpy as np
from keras import ops

from keras_cvae import conditions, fitting, inference, layers, networks
from keras_cvae.data import inputs


@keras.saving.register_keras_serializable("keras_cvae")
class CVAE(fitting.FusedModel, networks.ImageModel):
    """A conditional VAE end to end: `[image, label]` (or `image`) to the reconstructed image.

    A functional Keras model whose loss layers carry the loss; `build_cvae` makes one. `encoder`,
    `decoder` and `generator` are models of the same layers, so training it trains them all.

    `fit` and `evaluate` take `[images, labels]`, a dict by input name, or a stream of
    `(image, label)` pairs, and report `loss`, `reconstruction` and `kl` in nats per example.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        terms = (layers.KLDivergence, layers.ReconstructionLoss, layers.ClassificationLoss)
        self._loss_layers = [layer for layer in self.layers if isinstance(layer, terms)]
        self._term_trackers = [keras.metrics.Mean(layer.name) for layer in self._loss_layers]
        self._terms = ()

    # The models cut from the graph, and its measures

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """Model `[image, label]` (or `image`) to `[z_mean, z_log_var]`.

        Where labels are inferred it takes the image alone, and its most probable class is y.
        With dynamic binarisation it takes grey pixels as they are: its output is no matter of
        chance.
        """
        network = self.get_layer("encoder")
        if self.infers_label:
            image = networks.input_like(self.inputs[0])
            pixels = self._deterministic_pixels(image)
            label = self.get_layer("inferred_label")(self.get_layer("classifier")(pixels))
            return networks.ImageModel(image, network([pixels, label]), name="inferring_encoder")
        graph_inputs = keras.tree.map_structure(networks.input_like, network.input)
        image, *label = keras.tree.flatten(graph_inputs)
        pixels = self._deterministic_pixels(image)
        if pixels is image:
            return network
        z = network([pixels, *label] if label else pixels)
        return networks.ImageModel(graph_inputs, z, name="binarized_encoder")

    @functools.cached_property
    def decoder(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to likelihood parameters: logits for Bernoulli pixels."""
        network = self.get_layer("decoder")
        if not self.infers_label:
            return network
        z, condition = networks.input_like(network.input[0]), conditions.Classes(self.num_classes)
        label = condition.input()
        return keras.Model([z, label], network([z, condition(label)]), name="labelled_decoder")

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """Model `image` to the probabilities q(y | x) of each class, where labels are inferred.

        Raises:
            ValueError: If the model does not infer labels.
        """
        if not self.infers_label:
            raise ValueError(
                "This model is given its labels and has no classifier; build one with "
                "`infer_label=True`."
            )
        image = networks.input_like(self.inputs[0])
        logits = self.get_layer("classifier")(self._deterministic_pixels(image))
        return networks.ImageModel(image, ops.softmax(logits), name="label_probabilities")

    @property
    def infers_label(self) -> bool:
        """Whether the label is predicted from the image rather than given."""
        return _find(layers.ClassificationLoss, self) is not None

    @functools.cached_property
    def generator(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to the mean image, in [0, 1] for Bernoulli pixels."""
        graph_inputs = keras.tree.map_structure(networks.input_like, self.decoder.input)
        mean = self.likelihood.mean(self.decoder(graph_inputs))
        return keras.Model(graph_inputs, mean, name="generator")

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.inputs[0].shape[1:])

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None for a plain VAE."""
        if self.infers_label:
            return self.get_layer("classifier").output_shape[-1]
        condition = _find(conditions.Classes, self.get_layer("encoder"))
        return None if condition is None else condition.num_classes

    @property
    def latent_dim(self) -> int:
        """Size of z."""
        return keras.tree.flatten(self.decoder.input)[0].shape[-1]

    @property
    def likelihood(self) -> keras.layers.Layer:
        """The likelihood p(x | z, y)."""
        return _find(layers.ReconstructionLoss, self).likelihood

    @property
    def prior(self) -> keras.layers.Layer:
        """The prior p(z)."""
        return _find(layers.KLDivergence, self).prior

    @property
    def bounded(self) -> bool:
        """Whether pixels must lie in [0, 1]."""
        return self.likelihood.support == (0.0, 1.0) or self.binarize is not None

    @property
    def binarize(self) -> keras.layers.Layer | None:
        """The layer that makes pixels black or white; None where they are taken as they are."""
        return _find(layers.Binarize, self)

    def _deterministic_pixels(self, image):
        binarize = self.binarize
        return image if binarize is None or binarize.mode == "dynamic" else binarize(image)

    # Training

    def fit(self, x=None, y=None, *args, validation_data=None, **kwargs):
        """Trains the model: `keras.Model.fit`, after a check of the data.

        Args:
            x: `[images, labels]`, a dict by the names `image` and `label`, images alone (with
                labels as `y`, or for a plain VAE), or a stream of batches: `tf.data.Dataset`,
                `PyDataset`, torch `DataLoader` or generator of `(image, label)` pairs. Of a stream
                the first batch is checked. Images are floats in [0, 1] or uint8; labels are
                integers, -1 is unknown.
            y: Labels, where `x` is images alone.
            *args: As for `keras.Model.fit`.
            validation_data: `([images, labels], None)`, `(images, labels)` or a stream.
            **kwargs: As for `keras.Model.fit`, but neither `class_weight` nor `sample_weight`.

        Returns:
            A `History` of `loss`, `reconstruction`, `kl` and their `val_` twins, in nats per
            example.

        Raises:
            ValueError: If the data is not what the model takes, before training begins.
        """
        self._refuse_weights(kwargs)
        x = self._checked(x, y)
        if isinstance(validation_data, (list, tuple)):
            self._checked(*validation_data)
        elif validation_data is not None:
            validation_data = self._checked(validation_data)
        return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, **kwargs):
        """Measures the loss and its terms: `keras.Model.evaluate`, after a check of the data.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            *args: As for `keras.Model.evaluate`.
            **kwargs: As for `keras.Model.evaluate`, but not `sample_weight`.

        Returns:
            With `return_dict=True` a dict of `loss`, `reconstruction` and `kl`; else a list of the
            loss and the other two. In nats per example.

        Raises:
            ValueError: If the data is not what the model takes.
        """
        self._refuse_weights(kwargs)
        if not kwargs.get("_use_cached_eval_dataset"):  # fit has checked it, once for all epochs
            x = self._checked(x, y)
        return super().evaluate(x, y, *args, **kwargs)

    @staticmethod
    def _refuse_weights(kwargs):
        weights = {name: kwargs.get(name) for name in ("sample_weight", "class_weight")}
        inputs.refuse_weights(**weights)

    def _checked(self, x, y=None, sample_weight=None):
        inputs.refuse_weights(sample_weight=sample_weight)
        stream, first = inputs.peek(x)
        inputs.check(first if first is not None else (x, y), self)
        return stream

    def train_step(self, *args):
        return super().train_step(*self._arranged(args))

    def test_step(self, *args):
        return super().test_step(*self._arranged(args))

    def predict_step(self, *args):
        return super().predict_step(*self._arranged(args))

    def _arranged(self, args):
        *state, data = args  # a state comes first on JAX
        return *state, (inputs.arrange(data, self.num_classes is not None),)

    def call(self, inputs, training=None, mask=None):
        outputs = super().call(inputs, training=training, mask=mask)
        # Read while the layers still know whose loss is whose; `compute_loss` sees a flat list.
        self._terms = tuple(layer.losses[0] for layer in self._loss_layers if layer.losses)
        return outputs

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        batch_size = ops.shape(y_pred)[0]
        for tracker, term in zip(self._term_trackers, self._terms, strict=True):
            tracker.update_state(term, sample_weight=batch_size)
        self._terms = ()
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    # Use

    def generate(
        self,
        labels=None,
        *,
        count: int | None = None,
        temperature: float = 1.0,
        seed: int | None = None,
        batch_size: int = inference.BATCH_SIZE,
    ) -> np.ndarray:
        """Draws images from the model: z ~ p(z), then the mean of p(x | z, y).

        Args:
            labels: A label for each image, or one for all `count`; -1 or None draws without a
                label.
            count: How many images, where `labels` does not tell; 1 by default.
            temperature: Scales the spread of z; below 1 draws are more typical, less varied.
            seed: Seed of z: the same seed gives the same latents on every backend.
            batch_size: How many images are decoded at a time.

        Returns:
            Array of shape `(count, *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If labels are out of range, or `count`, `temperature` make no sense.
        """
        if count is None:
            count = 1 if labels is None or np.ndim(labels) == 0 else len(labels)
        if count < 1 or not (np.isscalar(temperature) and temperature >= 0):
            raise ValueError(
                "`count` must be at least 1 and `temperature` at least 0. "
                f"Received: count={count}, temperature={temperature}"
            )
        z = temperature * self.prior.sample(count, self.latent_dim, seed)
        return self.decode(z, labels, batch_size=batch_size)

    def encode(self, images, labels=None, *, batch_size: int = inference.BATCH_SIZE) -> list:
        """Encodes images: the parameters of q(z | x, y).

        Args:
            images: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
            labels: The images' labels, or one for all; -1 or None: unknown, or inferred where the
                model infers them.
            batch_size: How many images are processed at a time.

        Returns:
            `[z_mean, z_log_var]`, arrays of shape `(count, latent_dim)`.

        Raises:
            ValueError: If images or labels are not what the model takes.
        """
        inputs.check_images(images, self.image_shape, bounded=self.bounded)
        if not self.infers_label:
            labels = self.check_labels(labels, len(images))
            images = images if labels is None else [images, labels]
        return inference.predict(self.encoder, images, batch_size)

    def decode(self, z, labels=None, *, batch_size: int = inference.BATCH_SIZE) -> np.ndarray:
        """Decodes latents to mean images: any grid, path or set of them, in one call.

        Args:
            z: Array of shape `(..., latent_dim)`.
            labels: A label for each latent, of shape `(...)`, or one for all; -1 or None: unknown.
            batch_size: How many images are decoded at a time.

        Returns:
            Array of shape `(..., *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If latents or labels are not what the model takes.
        """
        z = np.asarray(z, "float32")
        if z.ndim < 2 or z.shape[-1] != self.latent_dim:
            raise ValueError(
                f"`z` must have the shape (..., {self.latent_dim}). Received: {z.shape}"
            )
        points = z.reshape(-1, self.latent_dim)
        if np.ndim(labels) > 1:
            labels = np.reshape(labels, -1)
        labels = self.check_labels(labels, len(points))
        given = points if labels is None else [points, labels]
        images = inference.predict(self.generator, given, batch_size)
        return images.reshape(*z.shape[:-1], *self.image_shape)

    def reconstruct(
        self, images, labels=None, as_labels=None, *, batch_size: int = inference.BATCH_SIZE
    ):
        """Encodes images and decodes their posterior mean, if asked with other labels.

        Args:
            images: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
            labels: The images' labels; -1 or None: unknown, or inferred where the model infers
                them.
            as_labels: Labels to decode with, one for each image or one for all; `labels` by
                default. The style stays, the class changes.
            batch_size: How many images are processed at a time.

        Returns:
            Array of shape `(count, *image_shape)`: the mean of p(x | z, y), without noise.

        Raises:
            ValueError: If images or labels are not what the model takes.
        """
        if as_labels is not None:
            as_labels = self.check_labels(as_labels, len(images), name="as_labels")
        z, _ = self.encode(images, None if self.infers_label else labels, batch_size=batch_size)
        if as_labels is None:
            as_labels = labels
        if as_labels is None and self.infers_label:
            as_labels = inference.predict(self.classifier, images, batch_size).argmax(-1)
        return self.decode(z, as_labels, batch_size=batch_size)

    def check_labels(self, labels, count: int, name: str = "labels"):
        """Labels as an int32 array of shape `(count,)`, or None for a plain VAE.

        Args:
            labels: An integer for each image, or one for all; -1 or None: unknown.
            count: How many there must be.
            name: What the labels are called in messages.

        Raises:
            ValueError: If they are not what the model takes.
        """
        if self.num_classes is None:
            if labels is not None:
                raise ValueError(f"A model without a condition takes no `{name}`.")
            return None
        if np.ndim(labels) == 0:
            labels = [conditions.UNKNOWN if labels is None else labels] * count
        labels = inputs.check_labels(labels, self.num_classes, count=count, name=name)
        if conditions.UNKNOWN in labels:
            self._warn_if_unknown_is_untrained()
        return labels

    def _warn_if_unknown_is_untrained(self):
        dropout = _find(conditions.LabelDropout, self)
        if dropout is None or not float(ops.convert_to_numpy(dropout.seen_unknown)):
            warnings.warn(
                "In training this model never saw an image without its label, so what it makes of "
                "an unknown label (-1 or None) is arbitrary. Train with `label_dropout` above 0, "
                "or with some labels of -1.",
                stacklevel=5,
            )


def _find(kind, model):
    return next((layer for layer in model.layers if isinstance(layer, kind)), None)
