"""The conditional VAE: training, the models cut from its graph, and what they are used for."""

from __future__ import annotations

import functools
import warnings

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, fitting, graph, inference, networks, terms
from keras_cvae.data import inputs

ACCURACY, CROSSENTROPY = "BinaryAccuracy", "BinaryCrossentropy"
BINARY = {"accuracy": ACCURACY, "acc": ACCURACY, "crossentropy": CROSSENTROPY}


@keras.saving.register_keras_serializable("keras_cvae")
class CVAE(fitting.FusedModel, networks.ImageModel):
    """A conditional VAE end to end: `[image, label]` (or `image`) to the reconstructed image.

    A functional Keras model whose loss layers carry the loss; `build_cvae` makes one. `encoder`,
    `decoder` and `generator` are models of the same layers, so training it trains them all.

    `fit` and `evaluate` take `[images, labels]`, a dict by input name, or a stream of
    `(image, label)` pairs, and report `loss` and its terms, such as `reconstruction` and `kl`, in
    nats per example.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        names = [name for layer in self.layers for name in getattr(layer, "term_names", ())]
        self._term_trackers = [keras.metrics.Mean(name) for name in names]
        self._image_metrics = []
        self._class_weights = None

    # The models cut from the graph, and its parts

    @functools.cached_property
    def encoder(self) -> keras.Model:
        """Model `[image, label]` (or `image`) to `[z_mean, z_log_var]`.

        Where labels are inferred it takes the image alone, and its most probable class is y.
        With dynamic binarisation it takes grey pixels as they are: its output is no matter of
        chance.
        """
        return graph.cut_encoder(self)

    @functools.cached_property
    def decoder(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to likelihood parameters: logits for Bernoulli pixels."""
        return graph.cut_decoder(self)

    @functools.cached_property
    def generator(self) -> keras.Model:
        """Model `[noise, label]` (or `noise`) to the mean image, in [0, 1] for Bernoulli pixels.

        The noise is of N(0, I), which for the standard normal prior is z itself; a learned prior
        carries it to z.
        """
        return graph.cut_generator(self)

    @functools.cached_property
    def classifier(self) -> keras.Model:
        """Model `image` to the probabilities q(y | x) of each class, where labels are inferred.

        Raises:
            ValueError: If the model does not infer labels.
        """
        if not self.infers_label:
            raise ValueError(
                "This model is given its labels and has no classifier; build one with "
                "`condition=conditions.Inferred(10)`."
            )
        return graph.cut_classifier(self)

    @functools.cached_property
    def _drawings(self) -> keras.Model:
        """Model `[noise, temperature, label]` to the mean image."""
        return graph.cut_generator(self, self.likelihood)

    @functools.cached_property
    def _pictures(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to the mean image."""
        return graph.cut_decoder(self, self.likelihood.mean)

    @functools.cached_property
    def _parts(self) -> graph.Parts:
        return graph.read(self)

    @property
    def condition(self) -> keras.layers.Layer | None:
        """The condition y, an object of `keras_cvae.conditions`; None for a plain VAE."""
        return self._parts.condition

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, the image's first."""
        return [tensor.name for tensor in self.inputs]

    @property
    def infers_label(self) -> bool:
        """Whether the label is predicted from the image rather than given."""
        return self.condition is not None and self.condition.infers

    @property
    def image_shape(self) -> tuple[int, ...]:
        """Shape of one image."""
        return tuple(self.inputs[0].shape[1:])

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where the condition is not one of classes."""
        return getattr(self.condition, "num_classes", None)

    @property
    def latent_dim(self) -> int:
        """Size of z, all groups of latents together."""
        return self._parts.latent_dim

    @property
    def likelihood(self) -> keras.layers.Layer:
        """The likelihood p(x | z, y)."""
        return self._parts.likelihood

    @property
    def prior(self) -> keras.layers.Layer:
        """The prior p(z | y), of the first group of latents where there are more."""
        return self._parts.groups[0].prior

    @property
    def elbo_terms(self) -> tuple[str, ...]:
        """Names of the terms whose sum is minus the ELBO."""
        return ("reconstruction", *(group.called("kl") for group in self._parts.groups))

    @property
    def support(self) -> tuple[float, float]:
        """The bounds that pixels must lie in."""
        return self.likelihood.support if self.binarize is None else (0.0, 1.0)

    @property
    def binarize(self) -> keras.layers.Layer | None:
        """The layer that makes pixels black or white; None where they are taken as they are."""
        return self._parts.binarize

    # Training

    def compile(self, optimizer="rmsprop", loss=None, *, metrics=None, **kwargs):
        """Prepares the model for training: `keras.Model.compile`.

        Args:
            optimizer: A Keras optimizer or its name.
            loss: None: the loss is the objective that the model was built with.
            metrics: Metrics of the reconstruction, whose target is the image: names, functions or
                objects, such as `["mae"]`.
            **kwargs: As for `keras.Model.compile`, and `steps_per_execution="auto"`.

        Raises:
            ValueError: If there is a `loss`, or `weighted_metrics`.
        """
        if loss is not None or kwargs.get("loss_weights") is not None:
            raise ValueError(
                "`loss` must be left out: the loss of a CVAE is the objective that it was built "
                "with, `build_cvae(..., objective=...)`. A term of your own is a layer with "
                f"`add_loss` in a network of your own. Received: loss={loss!r}"
            )
        if kwargs.get("weighted_metrics"):
            raise ValueError(
                "`metrics` must be used for metrics of the reconstruction: they are weighed where "
                "examples are. Received: weighted_metrics"
            )
        super().compile(optimizer, **kwargs)
        self._image_metrics = [*map(_metric, keras.tree.flatten(metrics or []))]

    def get_compile_config(self):
        config = super().get_compile_config()
        if config:
            config["metrics"] = [*map(keras.saving.serialize_keras_object, self._image_metrics)]
            for name in ("loss", "loss_weights", "weighted_metrics"):
                config.pop(name, None)
        return config

    def fit(
        self,
        x=None,
        y=None,
        *args,
        validation_data=None,
        sample_weight=None,
        class_weight=None,
        **kwargs,
    ):
        """Trains the model: `keras.Model.fit`, after a check of the data.

        Args:
            x: `[images, labels]`, a dict by the names of the inputs, images alone (with labels as
                `y`, or for a plain VAE), or a stream of batches: `tf.data.Dataset`, `PyDataset`,
                torch `DataLoader` or generator of `(image, label)` pairs. Of a stream the first
                batch is checked. Images are floats or uint8; labels are integers, -1 is unknown.
                Arrays, DataFrames, lists and tensors all do.
            y: Labels, where `x` is images alone.
            *args: As for `keras.Model.fit`.
            validation_data: `([images, labels], None)`, `(images, labels)`, with weights as a third
                part, or a stream.
            sample_weight: A weight for each example. The loss and each of its terms are the mean
                over the batch of weight times term. Of a stream the weights are the third part of
                each batch.
            class_weight: Dict of labels to weights, for training alone.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `History` of `loss`, its terms, such as `reconstruction` and `kl`, and their `val_`
            twins, in nats per example.

        Raises:
            ValueError: If the data is not what the model takes, before training begins.
        """
        x, y = self._checked(x, y, sample_weight, train=True)
        if isinstance(validation_data, (list, tuple)):
            validation_data = self._checked(*validation_data)[:1]
        elif validation_data is not None:
            validation_data, _ = self._checked(validation_data)
        self._weigh_classes(class_weight)
        return super().fit(x, y, *args, validation_data=validation_data, **kwargs)

    def evaluate(self, x=None, y=None, *args, sample_weight=None, **kwargs):
        """Measures the loss and its terms: `keras.Model.evaluate`, after a check of the data.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            *args: As for `keras.Model.evaluate`.
            sample_weight: As for `fit`.
            **kwargs: As for `keras.Model.evaluate`.

        Returns:
            With `return_dict=True` a dict of `loss` and its terms; else a list of them. In nats
            per example.

        Raises:
            ValueError: If the data is not what the model takes.
        """
        within_fit = isinstance(kwargs.get("callbacks"), keras.callbacks.CallbackList)
        if not within_fit:  # which has checked it, once for all epochs
            x, y = self._checked(x, y, sample_weight)
        return super().evaluate(x, y, *args, **kwargs)

    def _checked(self, x, y=None, sample_weight=None, train=False):
        """Data as Keras is given it: a stream, or checked arrays by name, and no targets."""
        stream, first = inputs.peek(x)
        if first is None:
            return self._arrays((x, y, sample_weight), train), None
        if sample_weight is not None:
            raise ValueError(
                "`sample_weight` must be the third part of each batch of a stream, (image, label, "
                "weight). Received: a stream, and `sample_weight` beside it"
            )
        self._arrays(first)
        if train and self.condition is not None:
            self.condition.check_adapted()
        return stream, y

    def _arrays(self, data, train=False):
        found = inputs.arrange(data, self.input_names)
        image, *names = self.input_names
        images = self._check_images(found[image])
        checked = {image: images}
        if names:
            values = {name: found[name] for name in names}
            checked |= self.condition.check_by_name(values, len(images))
            if train:
                self.condition.adapt_once(checked)
        if inputs.WEIGHT in found:
            checked[inputs.WEIGHT] = inputs.check_weights(found[inputs.WEIGHT], count=len(images))
        return checked

    def _check_images(self, images, name="images"):
        return inputs.check_images(images, self.image_shape, support=self.support, name=name)

    def _weigh_classes(self, class_weight):
        table = None
        if class_weight is not None:
            if self.condition is None:
                raise ValueError("`class_weight` needs a condition of classes. Received: none")
            table = self.condition.class_weights(class_weight)
        if not np.array_equal(table, self._class_weights):
            self.forget_programs()  # the weights are part of them
        self._class_weights = table

    def train_step(self, *args):
        return self._step(super().train_step, args, self._class_weights)

    def test_step(self, *args):
        return self._step(super().test_step, args)

    def predict_step(self, *args):
        return self._step(super().predict_step, args)

    def _step(self, step, args, class_weights=None):
        *state, data = args  # a state comes first on JAX
        found = inputs.arrange(data, self.input_names)
        weights = found.pop(inputs.WEIGHT, None)
        if class_weights is not None:
            label = ops.cast(ops.reshape(found["label"], (-1,)), "int32")
            of_class = ops.take(class_weights, ops.where(label < 0, len(class_weights) - 1, label))
            weights = of_class if weights is None else of_class * weights
        given = [found[name] for name in self.input_names]
        with terms.step(weights):
            return step(*state, (given if len(given) > 1 else given[0],))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        step = terms.current()
        if step is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        batch_size = ops.shape(y_pred)[0]
        for tracker in self._term_trackers:
            tracker.update_state(step.reported[tracker.name], sample_weight=batch_size)
        image = networks.to_unit_interval(keras.tree.flatten(x)[0])
        for metric in self._image_metrics:
            metric.update_state(image, y_pred, sample_weight=step.sample_weight)
        loss = sum(step.losses) / fitting.replicas(self)
        if self.losses:  # of a user's layers
            loss = loss + super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss

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
            temperature: Scales the spread of z, of a mixture about the mean of each component;
                below 1 draws are more typical, less varied.
            seed: Seed of z: the same seed gives the same latents on every backend.
            batch_size: How many images are decoded at a time.

        Returns:
            Array of shape `(count, *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If labels are out of range, or `count`, `temperature` make no sense.
        """
        given = labels.values() if isinstance(labels, dict) else [labels]
        if count is None:
            count = max((len(value) for value in given if np.ndim(value)), default=1)
        count = checks.integer("count", count, least=1)
        temperature = checks.number("temperature", temperature, least=0)
        noise = np.random.default_rng(seed).standard_normal((count, self.latent_dim), "float32")
        temperatures = np.full((count, 1), temperature, "float32")
        rows = keras.tree.flatten(self._with_values(noise, labels))
        rows.insert(1, temperatures)
        return inference.predict(self._drawings, rows, batch_size)

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
        images = self._check_images(images)
        is_given = len(self.encoder.inputs) > 1 or self.condition is None
        rows = self._with_values(images, labels) if is_given else images
        return inference.predict(self.encoder, rows, batch_size)

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
        *leading, size = z.shape

        def row_by_row(values):
            shape, depth = np.shape(values), len(leading)
            is_grid = depth > 1 and shape[:depth] == tuple(leading)
            return np.reshape(values, (-1, *shape[depth:])) if is_grid else values

        is_dict = isinstance(labels, dict)
        labels = {k: row_by_row(v) for k, v in labels.items()} if is_dict else row_by_row(labels)
        rows = self._with_values(z.reshape(-1, size), labels)
        images = inference.predict(self._pictures, rows, batch_size)
        return images.reshape(*leading, *self.image_shape)

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
        images = self._check_images(images)
        name = "labels" if as_labels is None else "as_labels"
        values = self._values(labels if as_labels is None else as_labels, len(images), name)
        z, _ = self.encode(images, labels, batch_size=batch_size)
        values = self._completed(images, values)
        rows = [z, *values.values()] if values else z
        return inference.predict(self._pictures, rows, batch_size)

    def check_data(self, images, labels=None) -> tuple[np.ndarray, list[np.ndarray]]:
        """Checks images and what is known of them.

        Args:
            images: As for `encode`.
            labels: As for `encode`.

        Returns:
            `(images, values)`: the images, and an array for each other input, in which what is
            unknown has been inferred where the model does so.

        Raises:
            ValueError: If they are not what the model takes.
        """
        images = self._check_images(images)
        return images, [*self._completed(images, self._values(labels, len(images))).values()]

    def _completed(self, images, values):
        def infer(rows):
            return inference.predict(self.classifier, images[rows])

        return self.condition.complete(values, infer) if values else {}

    def _values(self, labels, count: int, name: str = "labels") -> dict[str, np.ndarray]:
        """What is given for the condition, checked, by the names of its inputs."""
        if self.condition is None:
            if labels is not None:
                raise ValueError(
                    f"`{name}` must be left out of a model without a condition; how many images "
                    f"to generate is `count`. Received: {name} of type {type(labels).__name__}"
                )
            return {}
        values = self.condition.check(labels, count, name)
        if self.condition.is_untrained(values):
            warnings.warn(
                "In training this model never saw an image without its label, so what it makes of "
                "an unknown one (-1, NaN or None) is arbitrary. Train with "
                "`conditions.Classes(..., dropout=0.1)`, or with some labels unknown.",
                stacklevel=4,
            )
        return values

    def _with_values(self, first, labels, name="labels"):
        values = self._values(labels, len(first), name)
        return [first, *values.values()] if values else first


def _metric(identifier) -> keras.metrics.Metric:
    """A metric of the reconstruction, whose pixels are compared as numbers in [0, 1]."""
    name = BINARY.get(identifier, identifier) if isinstance(identifier, str) else identifier
    metric = keras.metrics.get(name)
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
