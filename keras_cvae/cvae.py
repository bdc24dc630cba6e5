"""The conditional VAE: trained, measured, and used to generate, encode, decode and reconstruct."""

from __future__ import annotations

import functools
import math
import types
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_cvae import (
    adapting,
    batched,
    checks,
    evaluation,
    fitting,
    graph,
    layers,
    model_lock,
    networks,
    objectives,
    prior_fitting,
    steps,
    terms,
)
from keras_cvae.callbacks.announcing import Announcer
from keras_cvae.callbacks.watching import Watch
from keras_cvae.data import arrays
from keras_cvae.data.intake import Intake
from keras_cvae.fitting import inside
from keras_cvae.graph.parts import by_name
from keras_cvae.noise import seed_or_next
from keras_cvae.recipe import Recipe, describe
from keras_cvae.reports import Reports
from keras_cvae.types import Tensor

NOISE = "noise"  # in a model's file: the states of its random generators


@keras.saving.register_keras_serializable("keras_cvae")
class CVAE(fitting.FusedModel, layers.ImageModel):
    """A conditional VAE end to end: `[image, label]` (or `image`) to the reconstructed image.

    A functional Keras model whose loss layers carry the loss; `build_cvae` makes one. `encoder`,
    `decoder` and `generator` are models of the same layers, so training it trains them all.

    `fit` and `evaluate` take `[images, labels]`, a dict by input name, or a stream of
    `(image, label)` pairs. They report `loss`, its terms, such as `reconstruction` and `kl`, and
    `elbo`, minus the unweighted sum of these two, in nats per example.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        by_hand = (graph.by_term(self) or {}).values()
        renamed = {layer.name: layer.term for layer in by_hand}
        self.reports = Reports(self.layers, renamed, self.elbo_terms)
        self._class_weights = None

    def save_own_variables(self, store) -> None:
        super().save_own_variables(store)
        states = inside.generator_states(self)
        if states:
            store[NOISE] = np.stack([ops.convert_to_numpy(state) for state in states])

    def load_own_variables(self, store) -> None:
        super().load_own_variables({name: store[name] for name in store.keys() if name != NOISE})
        states = inside.generator_states(self)
        if NOISE in store.keys() and len(store[NOISE]) == len(states):
            for state, value in zip(states, np.asarray(store[NOISE]), strict=True):
                state.assign(value)

    # Parts.

    @property
    def encoder(self) -> keras.Model:
        """Model `[image, label]` (or `image`) to `[z_mean, z_log_var]`.

        With `conditions.Inferred` it takes the image alone, and y is its most probable class; with
        `conditions.Enumerated` it takes the label too, and y of an unknown one is the most probable
        class. With dynamic binarisation it takes grey pixels unchanged, so its output is not
        random.
        """
        return self._submodels.encoder

    @property
    def decoder(self) -> keras.Model:
        """Model `[z, label]` (or `z`) to likelihood parameters: logits for Bernoulli pixels."""
        return self._submodels.decoder

    @property
    def generator(self) -> keras.Model:
        """Model `[noise, label]` (or `noise`) to the mean image, in [0, 1] for Bernoulli pixels.

        The noise is N(0, I). For the standard normal prior it is z itself; a learned prior
        transforms it to z.
        """
        return self._submodels.generator

    @property
    def classifier(self) -> keras.Model:
        """Model `image` to the probabilities q(y | x) of each class, if the model infers labels.

        Raises:
            ValueError: If the model does not infer labels.
        """
        if not self.infers_label:
            raise ValueError(
                "This model does not infer labels and has no classifier; build one with "
                "`condition=conditions.Inferred(10)`."
            )
        return self._submodels.classifier

    @property
    def condition(self) -> keras.layers.Layer | None:
        """The condition y, an object of `keras_cvae.conditions`; None for a plain VAE."""
        return self._parts.condition

    @property
    def likelihood(self) -> keras.layers.Layer:
        """The likelihood p(x | z, y)."""
        return self._parts.likelihood

    @property
    def prior(self) -> keras.layers.Layer:
        """The prior p(z | y), of the first group of latents if there are several."""
        return self._parts.groups[0].prior

    @property
    def network(self) -> networks.Network | None:
        """A new copy of the `network` of `build_cvae`; None for a graph wired by hand.

        Raises:
            TypeError: If it has classes that are not registered with Keras.
        """
        return keras.saving.deserialize_keras_object(self._recipes.get("network"))

    @property
    def objective(self) -> objectives.Objective | None:
        """A new copy of the `objective` of `build_cvae`; None for a graph wired by hand.

        Raises:
            TypeError: As for `network`.
        """
        return keras.saving.deserialize_keras_object(self._recipes.get("objective"))

    @property
    def _recipes(self) -> dict:
        """The configs of `network` and `objective`: in a layer, where `clone_model` keeps them."""
        encoder = by_name(self).get("encoder")
        return vars(getattr(encoder, "recipes", types.SimpleNamespace()))

    def keep_recipes(self, **recipes: Recipe) -> None:
        """Stores the `network` and `objective` of the graph, for the model's config."""
        self._recipes.update({name: describe(part) for name, part in recipes.items()})

    @classmethod
    def from_config(cls, config: dict, custom_objects=None) -> CVAE:
        config = dict(config)
        recipes = {name: config.pop(name) for name in ("network", "objective") if name in config}
        model = super().from_config(config, custom_objects=custom_objects)
        model._recipes.update(recipes)  # files of version 0.1.0 have them in the model's own config
        return model

    @property
    def binarize(self) -> keras.layers.Layer | None:
        """The layer that makes pixels black or white; None if pixels stay grey."""
        return self._parts.binarize

    @property
    def corruption(self) -> keras.layers.Layer | None:
        """The layer that corrupts the encoder's input in training; None without one."""
        return self._parts.corruption

    @property
    def latent_dim(self) -> int:
        """The size of z, the sum over all groups of latents."""
        return self._parts.latent_dim

    @property
    def image_shape(self) -> tuple[int, ...]:
        """The shape of one image."""
        return tuple(self.inputs[0].shape[1:])

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes; empty if y is not a class."""
        return () if self.condition is None else self.condition.classes

    @property
    def num_classes(self) -> int | None:
        """The number of classes; None if y is not a class."""
        return len(self.classes) or None

    def y_of_class(self, labels) -> Any:
        """Returns integer labels as the argument `y` of `encode`, `generate` and others.

        Returns None if y is not a class, so that labelled images can be passed to any model.
        """
        return labels if self.classes else None

    @property
    def infers_label(self) -> bool:
        """Whether a classifier predicts the label from the image."""
        return self.condition is not None and self.condition.infers

    @property
    def support(self) -> tuple[float, float]:
        """The bounds of pixel values."""
        return self.likelihood.support if self.binarize is None else (0.0, 1.0)

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, the image's first."""
        return [tensor.name for tensor in self.inputs]

    @property
    def elbo_terms(self) -> tuple[str, ...]:
        """Names of the terms whose sum is minus the ELBO."""
        of_y = () if self.condition is None else self.condition.label_term_names
        return ("reconstruction", *self.kl_terms, *of_y)

    @property
    def kl_terms(self) -> tuple[str, ...]:
        """Names of the KL divergences, one for each group of latents."""
        return tuple(group.name_of("kl") for group in self._parts.groups)

    @property
    def loss_layers(self) -> list[terms.LossLayer]:
        """The layers that add terms to the loss."""
        return [layer for layer in self.layers if isinstance(layer, terms.LossLayer)]

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of the terms and settings that `fit` reports, without metrics of images."""
        return self.reports.names

    @functools.cached_property
    def intake(self) -> Intake:
        """The checks of the model's data."""
        check = self.likelihood.check
        if self.binarize is not None:
            check = functools.partial(arrays.check_values, support=self.support)
        shapes = {tensor.name: (tuple(tensor.shape[1:]), tensor.dtype) for tensor in self.inputs}
        return Intake(shapes, check, self.condition, self.support, self.likelihood.packer)

    @functools.cached_property
    def _parts(self) -> graph.Parts:
        return graph.read(self)

    @functools.cached_property
    def _submodels(self) -> graph.Submodels:
        return graph.Submodels(self)

    # Training and evaluation.

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of `fit` and `evaluate`."""
        return [*super().metrics, *self.reports.metrics, *self.reports.silent_metrics]

    @property
    def metrics_names(self) -> list[str]:
        """Names of the values that `evaluate` returns, in its order."""
        return [metric.name for metric in [*super().metrics, *self.reports.metrics]]

    def compile(  # type: ignore[override]
        self, optimizer="rmsprop", loss=None, *, metrics=None, **kwargs
    ) -> None:
        """Prepares the model for training: `keras.Model.compile`.

        Args:
            optimizer: A Keras optimizer or its name.
            loss: None: the loss is the model's objective.
            metrics: Metrics of the reconstruction, whose target is the image: names, functions or
                objects, such as `["mae"]`.
            **kwargs: As for `keras.Model.compile`, and `steps_per_execution="auto"`.

        Raises:
            ValueError: If `loss`, `loss_weights` or `weighted_metrics` are passed.
        """
        if loss is not None or kwargs.get("loss_weights") is not None:
            raise checks.ArgumentError(
                "loss",
                "must be left out: the loss of a CVAE is its objective, "
                "`build_cvae(..., objective=...)`. Add your own term with `add_loss` of a layer in "
                "your own network",
                f"loss={loss!r}",
            )
        if kwargs.get("weighted_metrics"):
            raise checks.ArgumentError(
                "metrics",
                "must be used for metrics of the reconstruction; `sample_weight` weighs them",
                "weighted_metrics",
            )
        super().compile(optimizer, **kwargs)
        self.reports.measure_images(metrics)

    def get_compile_config(self) -> dict | None:
        config = super().get_compile_config()
        if config:
            config["metrics"] = [*map(keras.saving.serialize_keras_object, self.reports.images)]
            for name in ("loss", "loss_weights", "weighted_metrics"):
                config.pop(name, None)
        return config

    @model_lock.while_training
    def fit(
        self,
        x=None,
        y=None,
        *args,
        validation_data=None,
        sample_weight=None,
        class_weight=None,
        **kwargs,
    ) -> keras.callbacks.History:
        """Trains the model: `keras.Model.fit`, after a check of the data.

        Args:
            x: `[images, labels]`, a dict by the names of the inputs, images alone (with labels as
                `y`, or for a plain VAE), or a stream of batches: `tf.data.Dataset`, `PyDataset`,
                torch `DataLoader` or generator of `(image, label)` pairs. The first batch of a
                stream is checked before training, every other as it arrives. Images are floats or
                uint8 (in streams, also floats of 0..255). Labels are integers from 0, or whole
                numbers of another type, with -1 or NaN for unknown; one-hot vectors, all zeros for
                unknown; or, except in streams, names of the classes, with None for unknown. Arrays,
                DataFrames, lists and tensors are accepted. Classes without examples cause a
                warning.
            y: Labels if `x` is images alone; otherwise None, or the images again.
            *args: As for `keras.Model.fit`.
            validation_data: `([images, labels], None)` or `(images, labels)`, optionally with
                weights as a third element, or a stream.
            sample_weight: A weight for each example. The loss and each of its terms are the mean
                over the batch of weight times term. In a stream the weights are the third element
                of each batch.
            class_weight: Dict of labels to weights, for training only.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `History` of `loss`, its terms, such as `reconstruction` and `kl`, `elbo`, and their
            `val_` twins, in nats per example.

        Raises:
            ValueError: If the data is invalid: before training, or when a later batch of a stream
                arrives. If the loss becomes infinite or NaN; the weights are then those of the last
                epoch with a finite loss.
        """
        examples = arrays.ROWS if adapting.needs_data(self) else 1
        data, sample = self.intake.take(x, y, sample_weight, examples)
        is_stream = data is not sample
        if isinstance(validation_data, (list, tuple)):
            validation_data = (self.intake.take(*validation_data)[0],)
        elif validation_data is not None:
            validation_data, _ = self.intake.take(validation_data)
        adapting.adapt(self, sample)
        if not is_stream:  # packing depends on what `adapt` learned
            data = self.intake.pack(data)
        if isinstance(validation_data, tuple):
            validation_data = (self.intake.pack(validation_data[0]),)
        self._weigh_classes(class_weight)
        count = None if is_stream else len(sample[self.input_names[0]])
        if count and validation_data is None:
            count = math.floor(count * (1.0 - (kwargs.get("validation_split") or 0.0)))
        if count and self.condition is not None:
            values = {name: sample[name][:count] for name in self.input_names[1:]}
            for sentence in self.condition.describe_missing(values):
                warnings.warn(sentence, stacklevel=3)
        watch = Watch(None if is_stream else {name: rows[:256] for name, rows in sample.items()})
        callbacks = keras.tree.flatten(kwargs.get("callbacks") or [])
        kwargs["callbacks"] = [Announcer(count), watch, *callbacks]
        y = y if is_stream else None
        history = super().fit(data, y, *args, validation_data=validation_data, **kwargs)
        if watch.failure:
            raise ValueError(watch.failure)
        return history

    @model_lock.one_at_a_time
    def evaluate(
        self,
        x=None,
        y=None,
        batch_size: int | None = None,
        verbose="auto",
        sample_weight=None,
        *,
        seed: int = 0,
        draws: int | None = None,
        return_dict: bool = False,
        **kwargs,
    ) -> dict | list:
        """Measures the loss and its terms: `keras.Model.evaluate`, after a check of the data.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: As for `keras.Model.evaluate`.
            verbose: As for `keras.Model.evaluate`.
            sample_weight: As for `fit`.
            seed: Seed of the samples of z: results are the same for the same seed.
            draws: The number of samples of z for each example of arrays; by default enough for
                about two decimals. For a stream it is one.
            return_dict: Whether to return a dict.
            **kwargs: As for `keras.Model.evaluate`.

        Returns:
            With `return_dict=True` a dict of `loss`, its terms and `elbo`, otherwise a list of
            them, in nats per example.

        Raises:
            ValueError: If the data is invalid.
        """
        options = {"batch_size": batch_size, "verbose": verbose, "sample_weight": sample_weight}
        options |= kwargs
        if isinstance(kwargs.get("callbacks"), keras.callbacks.CallbackList):
            # Called by `fit`, which has checked the data once for all epochs.
            return super().evaluate(x, y, return_dict=return_dict, **options)
        estimates = evaluation.bound(self, x, y, draws=draws, seed=seed, **options)
        results = {name: estimates[name].value for name in self.metrics_names}
        return results if return_dict else [*results.values()]

    @model_lock.one_at_a_time
    def predict(self, x, *args, **kwargs) -> np.ndarray:
        """Reconstructs as `keras.Model.predict`, after a check of the data.

        Args:
            x: As for `fit`; weights of a stream are ignored.
            *args: As for `keras.Model.predict`.
            **kwargs: As for `keras.Model.predict`.

        Returns:
            Array of mean images, `(count, *image_shape)`, for samples z of q(z | x, y).

        Raises:
            ValueError: If the data is invalid.
        """
        data, _ = self.intake.take(x)
        return super().predict(data, *args, **kwargs)

    def adapt(self, x) -> None:
        """Adapts a model of numbers to the scale of its data.

        The first `fit` does so by itself, for a stream with its first batches.

        Args:
            x: Array of shape `(count, *image_shape)`, or a stream of batches as for `fit`. The
                first batches of a stream are read, and a generator does not yield them again.

        Raises:
            ValueError: If the likelihood does not standardise x, as `likelihoods.Gaussian` does, or
                the images are invalid.
        """
        if self._parts.standardize is None:
            raise checks.ArgumentError(
                "adapt",
                "needs a likelihood of numbers of any scale, such as `likelihoods.Gaussian`",
                f"{type(self.likelihood).__name__}",
            )
        adapting.learn_scale(self._parts, self.intake.first_images(x))

    @model_lock.while_training
    def fit_prior(
        self,
        x,
        y=None,
        *,
        prior="mixture",
        validation_data=None,
        seed: int = 0,
        verbose: int = 0,
    ) -> dict:
        """Fits a prior to the encodings of the training data, after training.

        The fitted prior replaces the model's prior in the same graph: from then on `generate`,
        `loss`, `kl`, `elbo` and likelihoods use it. It is saved with the model, and further
        training also trains it. Encoder and decoder do not change. If the model has several groups
        of latents, the prior of the first group is replaced.

        Args:
            x: The training data, as for `fit`; of a stream up to 100,000 examples.
            y: As for `fit`.
            prior: One of `priors.NAMES`, which depends on y where there is a condition, or an
                object of `keras_cvae.priors`, such as `priors.Flow(8, conditional=True)`.
                `"mixture"`, a mixture of normals with full covariances, is fitted in seconds, by
                expectation maximisation; any other prior by stochastic gradients. `"auto"` fits a
                mixture and a `"spline_flow"`, and uses the one under which held-out encodings are
                more probable.
            validation_data: As for `fit`: examples that the model has not been trained on. Their
                encodings are held out to choose settings and to stop early. By default a tenth of
                the training data is held out; because the encoder was trained on these examples, a
                flow may then overfit.
            seed: Seed of the fitting.
            verbose: 1 shows a progress bar if fitting takes long, 0 does not.

        Returns:
            Dict with the keys `prior`, the name of the fitted prior; `scores`, a dict of the mean
            log-density of held-out encodings, in nats, for each number of `components` of a
            mixture, for each epoch of another prior, or for each prior that `"auto"` fits;
            and `elbo_before` and `elbo_after`, the ELBO of some of the examples with the replaced
            and with the fitted prior, in nats per example.

        Raises:
            ValueError: If the data is invalid, or the model cannot use the prior.

        Example:
        ```python
        cvae.fit([x_train, y_train], epochs=20)
        cvae.fit_prior([x_train, y_train])
        eights = cvae.generate([8] * 16)
        ```
        """
        return prior_fitting.fit(self, (x, y), prior, validation_data, seed, verbose)

    # Use.

    @model_lock.one_at_a_time
    def generate(
        self,
        y=None,
        *,
        count: int | None = None,
        temperature: float = 1.0,
        pixels: str = "mean",
        noise: np.ndarray | None = None,
        seed: int | None = None,
        batch_size: int = batched.BATCH_SIZE,
    ) -> np.ndarray:
        """Generates images: samples z ~ p(z | y), and returns means or samples of p(x | z, y).

        Args:
            y: A label for each image, or one for all `count`: integers or names of classes; -1 or
                None samples without a label. For other conditions their values, for
                `conditions.Attributes` a dict of these.
            count: The number of images; by default that of `y`, or 1.
            temperature: Scales the spread of z; for a mixture, that about the mean of each
                component. Below 1, images are more typical and vary less.
            pixels: `"mean"` for the mean of p(x | z, y), without noise; `"sample"` for a sample.
            noise: Array of shape `(count, latent_dim)` that the prior transports to z; by default
                samples of N(0, I). Equal noise under other labels gives images of the same style.
            seed: Seed of z: the same seed gives the same latents on every backend, and the same
                sampled pixels on one backend. By default each call samples again, in the sequence
                that `keras.utils.set_random_seed` sets.
            batch_size: The number of images to decode at a time.

        Returns:
            Array of shape `(count, *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If a label is out of range, or another argument is invalid.
        """
        checks.look_up("pixels", pixels, {"mean": None, "sample": None})
        if count is None and noise is not None:
            count = len(noise)
        elif count is None:
            count = 1 if self.condition is None else self.condition.count(y)
        count = checks.integer("count", count, least=1)
        temperature = checks.number("temperature", temperature, least=0)
        seed = seed_or_next(seed)
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((count, self.latent_dim), "float32")
        if noise is not None:
            normal = checks.array("noise", noise, normal.shape, "float32")
        temperatures = np.full((count, 1), temperature, "float32")
        values = self._check_values(y, count)
        if values:
            values = self.condition.sample_missing(values, rng)
        rows = [normal, temperatures, *values.values()]
        if pixels == "mean":
            return self._submodels.generate_means(rows, batch_size)
        return self._submodels.generate_samples(rows, batch_size, seed)

    @model_lock.one_at_a_time
    def encode(self, x, y=None, *, batch_size: int = batched.BATCH_SIZE) -> list:
        """Encodes images: returns the parameters of q(z | x, y).

        Args:
            x: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
            y: The images' labels, as for `generate`, or one for all; -1 or None for unknown, which
                the model infers if it has a classifier.
            batch_size: The number of images to process at a time.

        Returns:
            `[z_mean, z_log_var]`, arrays of shape `(count, latent_dim)`.

        Raises:
            ValueError: If images or labels are invalid.
        """
        x = self.intake.images(x)
        takes_y = len(self.encoder.inputs) > 1 or self.condition is None
        rows = self._with_values(x, y) if takes_y else x
        return batched.predict(self.encoder, rows, batch_size)

    @model_lock.one_at_a_time
    def decode(self, z, y=None, *, batch_size: int = batched.BATCH_SIZE) -> np.ndarray:
        """Decodes latents, in any arrangement such as a grid, to mean images.

        Args:
            z: Array of shape `(..., latent_dim)`.
            y: A label for each latent, of shape `(...)`, or one for all; -1 or None for unknown.
            batch_size: The number of images to decode at a time.

        Returns:
            Array of shape `(..., *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If latents or labels are invalid.
        """
        z = np.asarray(z, "float32")
        if z.ndim < 2 or z.shape[-1] != self.latent_dim:
            expected = f"must have the shape (..., {self.latent_dim})"
            raise checks.ArgumentError("z", expected, z.shape)
        *leading, size = z.shape

        def row_by_row(values):
            shape, depth = np.shape(values), len(leading)
            is_grid = depth > 1 and shape[:depth] == tuple(leading)
            return np.reshape(values, (-1, *shape[depth:])) if is_grid else values

        is_dict = isinstance(y, dict)
        y = {k: row_by_row(v) for k, v in y.items()} if is_dict else row_by_row(y)
        rows = self._with_values(z.reshape(-1, size), y)
        images = self._submodels.decode_means(rows, batch_size)
        return images.reshape(*leading, *self.image_shape)

    @model_lock.one_at_a_time
    def reconstruct(
        self, x, y=None, as_y=None, *, batch_size: int = batched.BATCH_SIZE
    ) -> np.ndarray:
        r"""Encodes images and decodes their posterior mean, with the same or with other labels.

        For another label y', the image is decoded with the same noise and not with the same z,
        because z may contain information on the class: the prior p(z | y) maps z to noise, and the
        prior p(z | y') maps the noise to latents. For the prior N(0, I) noise and z are the same.
        This is the counterfactual of a structural causal model, by abduction, action and
        prediction.

        Args:
            x: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
            y: The images' labels; -1 or None for unknown, which the model infers if it has a
                classifier.
            as_y: Labels to change to, one for each image or one for all; `y` by default. The
                style stays the same.
            batch_size: The number of images to process at a time.

        Returns:
            Array of shape `(count, *image_shape)`: the mean of p(x | z, y), without noise.

        Raises:
            ValueError: If images or labels are not what the model takes.

        Reference:
            [Pawlowski et al., 2020](https://arxiv.org/abs/2006.06485).
        """
        x = self.intake.images(x)
        changed = None if as_y is None else self._check_values(as_y, len(x), "as_y")
        if not changed:
            return self._submodels.decode_means(self._encode_means(x, y, batch_size), batch_size)
        normal = self.noise_of(x, y, batch_size=batch_size)
        temperatures = np.ones((len(normal), 1), "float32")
        rows = [normal, temperatures, *self.infer_missing(x, changed).values()]
        return self._submodels.generate_means(rows, batch_size)

    @model_lock.one_at_a_time
    def noise_of(self, x, y=None, *, batch_size: int = batched.BATCH_SIZE) -> np.ndarray:
        """Encodes images as noise, from which `generate` reproduces them: their style.

        The prior maps the noise to the posterior mean for the label `y`, and for other labels to
        latents of the same style.

        Args:
            x: As for `reconstruct`.
            y: As for `reconstruct`.
            batch_size: The number of images to process at a time.

        Returns:
            Array of shape `(count, latent_dim)`, for the argument `noise` of `generate`.

        Raises:
            ValueError: If images or labels are not what the model takes.

        Example:
        ```python
        style = cvae.noise_of(x_test[:1], y_test[:1])
        cvae.generate(range(10), noise=np.repeat(style, 10, axis=0))  # as all classes
        ```
        """
        rows = self._encode_means(self.intake.images(x), y, batch_size)
        return batched.predict(self._submodels.noise, rows, batch_size)

    def export(self, filepath, format="tf_saved_model", *args, **kwargs) -> Any:
        """Exports the model as `keras.Model.export` does, but not to ONNX, where z is not seeded.

        Raises:
            ValueError: If `format` is `"onnx"`, or the backend is torch, on which Keras does not
                export such models; the message names the models to export instead.
        """
        expected = (
            "The whole model, which samples z, must be exported on TensorFlow or JAX; on torch "
            "export `cvae.encoder`, `cvae.decoder` or `cvae.generator` to ONNX"
        )
        is_torch = keras.backend.backend() == "torch" and format != "onnx"
        checks.require(not is_torch, None, expected, f"{format!r} on torch")
        if format == "onnx":
            raise checks.ArgumentError(
                "format",
                "must be another one for the whole model, which samples z; export "
                "`cvae.encoder`, `cvae.decoder` or `cvae.generator` to ONNX",
                "'onnx'",
            )
        return super().export(filepath, format, *args, **kwargs)

    @model_lock.one_at_a_time
    def infer(self, x: np.ndarray) -> np.ndarray:
        """Returns the probabilities q(y | x) of each class, of shape `(count, num_classes)`.

        Args:
            x: Checked images.
        """
        return batched.predict(self.classifier, x)

    def infer_missing(self, x: np.ndarray, values: dict) -> dict:
        """Replaces unknown labels by the most probable ones, if the model has a classifier.

        Args:
            x: Checked images.
            values: Checked values by the names of the inputs.

        Returns:
            Dict like `values`.
        """
        if not values:
            return {}
        return self.condition.infer_missing(values, lambda rows: self.infer(x[rows]))

    def _encode_means(self, x, y, batch_size):
        """Returns the decoder's inputs: posterior means of checked images, and their condition."""
        values = self.infer_missing(x, self._check_values(y, len(x)))
        z, _ = self.encode(x, y, batch_size=batch_size)
        return [z, *values.values()] if values else z

    def _check_values(self, y, count: int, name: str = "y") -> dict[str, np.ndarray]:
        """Returns checked values by input name; warns about values that training has not seen."""
        values = self.intake.values(y, count, name)
        for sentence in self.condition.describe_untrained(values) if values else ():
            warnings.warn(sentence, stacklevel=5)
        return values

    def _with_values(self, first, y):
        values = self._check_values(y, len(first))
        return [first, *values.values()] if values else first

    # Called by Keras and by the fused steps.

    def batch_checker(self) -> Callable:
        check = self.intake.checker()
        return lambda batch: (check(batch),)

    def _weigh_classes(self, class_weight):
        table = None
        if class_weight is not None:
            if self.condition is None:
                received = "a model without a condition"
                raise checks.ArgumentError("class_weight", "needs a condition of classes", received)
            table = self.condition.class_weights(class_weight)
        if not np.array_equal(table, self._class_weights):
            self.forget_programs()  # the weights are part of them
        self._class_weights = table

    def train_step(self, *args) -> Any:
        return self._step("train", super().train_step, args, self._class_weights)

    def test_step(self, *args) -> Any:
        return self._step("test", super().test_step, args)

    def predict_step(self, *args) -> Any:
        return self._step("predict", super().predict_step, args)

    def _step(self, kind, step, args, class_weights=None):
        *state, data = args  # a state comes first on JAX
        is_checked = self.takes_checked_batches(kind)
        tensors, weights = steps.arrange(self, data, is_checked, class_weights)
        with terms.step(weights, is_checked):
            return step(*state, (tensors,))

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ) -> Tensor:
        step = terms.current()
        if step is None:
            return super().compute_loss(x, y, y_pred, sample_weight, training)
        image = self.likelihood.unpack(layers.to_unit_interval(keras.tree.flatten(x)[0]))
        self.reports.update(step, image, y_pred, training)
        loss = sum(step.losses) / fitting.replicas(self)
        if self.losses:  # of a user's layers
            loss = loss + super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss
