"""How a conditional VAE is trained and evaluated: data in, terms of the loss and the ELBO out."""

from __future__ import annotations

import functools
import math
import warnings

import keras
import numpy as np
from keras import ops

from keras_cvae import assembled, batched, evaluation, fitting, graph, networks, terms
from keras_cvae.callbacks.announcing import Announcer
from keras_cvae.callbacks.watching import Watch
from keras_cvae.conditions.classes import to_integers
from keras_cvae.data import arrays, inputs
from keras_cvae.data.intake import Intake

ACCURACY, CROSSENTROPY = "BinaryAccuracy", "BinaryCrossentropy"
BINARY = {"accuracy": ACCURACY, "acc": ACCURACY, "crossentropy": CROSSENTROPY}
ELBO = "elbo"


class TrainedVAE(assembled.AssembledVAE):
    """The part of a `CVAE` that `compile`, `fit` and `evaluate` are."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        names = [name for layer in self.layers for name in getattr(layer, "term_names", ())]
        wired = (graph.by_term(self) or {}).values()
        self._names_of_terms: dict[str, str] = {layer.name: layer.term for layer in wired}
        names = [self._names_of_terms.get(name, name) for name in names]
        settings = dict.fromkeys(name for layer in self.loss_layers for name in layer.setting_names)
        self._term_trackers = [*map(keras.metrics.Mean, [*names, ELBO])]
        self._setting_trackers = [*map(terms.Latest, settings)]
        self._image_metrics = []
        self._class_weights = None

    @property
    def loss_layers(self) -> list[terms.LossLayer]:
        """The layers that add terms to the loss."""
        return [layer for layer in self.layers if isinstance(layer, terms.LossLayer)]

    @property
    def _trackers(self):
        return [*self._term_trackers, *self._setting_trackers]

    @property
    def term_names(self) -> tuple[str, ...]:
        """Names of what `fit` reports beside the loss."""
        return tuple(tracker.name for tracker in self._trackers)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The metrics of `fit`, and behind them what tells callbacks which way each gets better."""
        directions = {tracker.name: "down" for tracker in self._term_trackers} | {ELBO: "up"}
        for metric in self._image_metrics:
            if hasattr(metric, "_direction"):
                directions[metric.name] = metric._direction
        return [*super().metrics, fitting.Directions(directions)]

    @property
    def metrics_names(self) -> list[str]:
        """Names of what `evaluate` returns, in its order."""
        return [metric.name for metric in super().metrics]

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
                batch is checked beforehand and, where steps are fused, every other as it arrives.
                Images are floats or uint8 (of a stream, floats of 0..255 too); labels are integers,
                -1 is unknown, one-hot vectors, all zeros of one that is unknown, or, but for
                streams, names of the condition's classes. Arrays, DataFrames, lists and tensors all
                do.
            y: Labels, where `x` is images alone; else None or the images once more.
            *args: As for `keras.Model.fit`.
            validation_data: `([images, labels], None)`, `(images, labels)`, with weights as a third
                part, or a stream.
            sample_weight: A weight for each example. The loss and each of its terms are the mean
                over the batch of weight times term. Of a stream the weights are the third part of
                each batch.
            class_weight: Dict of labels to weights, for training alone.
            **kwargs: As for `keras.Model.fit`.

        Returns:
            A `History` of `loss`, its terms, such as `reconstruction` and `kl`, `elbo`, and their
            `val_` twins, in nats per example.

        Raises:
            ValueError: If the data is not what the model takes, before training begins, or for a
                later batch of a stream when its turn comes; or if the loss does not stay finite, in
                which case the weights are those of the last epoch in which it did.
        """
        x, y = self._checked(x, y, sample_weight, train=True)
        if isinstance(validation_data, (list, tuple)):
            validation_data = self._checked(*validation_data)[:1]
        elif validation_data is not None:
            validation_data, _ = self._checked(validation_data)
        self._weigh_classes(class_weight)
        watch = Watch(lambda: self._sample_of(x))
        held_out = kwargs.get("validation_split") if validation_data is None else None
        count = self._count(x, held_out or 0.0)
        if count is not None and self.condition is not None:
            values = {name: x[name][:count] for name in self.input_names[1:]}
            for sentence in self.condition.describe_missing(values):
                warnings.warn(sentence, stacklevel=2)
        announcer = Announcer(count)
        callbacks = [announcer, watch, *keras.tree.flatten(kwargs.pop("callbacks", None) or [])]
        history = super().fit(
            x, y, *args, validation_data=validation_data, callbacks=callbacks, **kwargs
        )
        if watch.failure:
            raise ValueError(watch.failure)
        return history

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
    ):
        """Measures the loss and its terms: `keras.Model.evaluate`, after a check of the data.

        Args:
            x: As for `fit`.
            y: As for `fit`.
            batch_size: As for `keras.Model.evaluate`.
            verbose: As for `keras.Model.evaluate`.
            sample_weight: As for `fit`.
            seed: Seed of the draws of z: the same seed gives the same numbers.
            draws: How many draws of z for each example of arrays; by default enough for about two
                decimals. Of a stream each example is drawn once.
            return_dict: Whether to return a dict.
            **kwargs: As for `keras.Model.evaluate`.

        Returns:
            With `return_dict=True` a dict of `loss`, its terms and `elbo`; else a list of them. In
            nats per example.

        Raises:
            ValueError: If the data is not what the model takes.
        """
        options = {"batch_size": batch_size, "verbose": verbose, **kwargs}
        if isinstance(kwargs.get("callbacks"), keras.callbacks.CallbackList):
            # Within fit, which has checked the data, once for all epochs.
            options |= {"sample_weight": sample_weight, "return_dict": return_dict}
            return super().evaluate(x, y, **options)
        x, y = self._checked(x, y, sample_weight)
        measure = functools.partial(super().evaluate, return_dict=True)
        with evaluation.seeded(self, seed):
            if isinstance(x, dict):
                if draws is None and self.run_eagerly:
                    draws = 1  # more would take minutes
                draws = evaluation.draws_of(len(x[self.input_names[0]]), draws)
                copies = not any(layer.compares_examples for layer in self.loss_layers)
                results = evaluation.averaged(measure, x, draws, copies=copies, **options)
            else:
                results = measure(x, y, **options)
        results = {name: results[name] for name in self.metrics_names}
        return results if return_dict else [*results.values()]

    def predict(self, x, *args, **kwargs):
        """Reconstructs: `keras.Model.predict`, after a check of the data.

        Args:
            x: As for `fit`; weights of a stream are ignored.
            *args: As for `keras.Model.predict`.
            **kwargs: As for `keras.Model.predict`.

        Returns:
            Array of mean images, `(count, *image_shape)`, of z drawn from q(z | x, y).

        Raises:
            ValueError: If the data is not what the model takes.
        """
        x, _ = self._checked(x)
        return super().predict(x, *args, **kwargs)

    @functools.cached_property
    def _intake(self) -> Intake:
        """What checks the data that the model is given."""
        check = self.likelihood.check
        if self.binarize is not None:
            check = functools.partial(arrays.check_values, support=self.support)
        shapes = {tensor.name: (tuple(tensor.shape[1:]), tensor.dtype) for tensor in self.inputs}
        return Intake(shapes, check, self.condition, self.support)

    def _checked(self, x, y=None, sample_weight=None, train=False):
        """Data as Keras is given it: a stream, or checked arrays by name, and no targets."""
        learns = train and self._learns_from_data
        stream, first = inputs.peek(x, examples=arrays.ROWS if learns else 1)
        if first is None:
            checked = self._intake.arrays((x, y, sample_weight))
            if train and self.condition is not None:
                self.condition.adapt_once(checked)
        else:
            if sample_weight is not None:
                raise ValueError(
                    "`sample_weight` must be the third part of each batch of a stream, (image, "
                    "label, weight). Received: a stream, and `sample_weight` beside it"
                )
            inputs.check_numbers(first[0], self.input_names)
            parts = [*map(self._intake.checker(), first)]
            checked = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
            if train and self.condition is not None and self.condition.needs_data:
                self.condition.adapt_once(checked)
        if train:
            layer = self._parts.standardize
            if layer is not None and not layer.is_adapted:
                self.adapt(checked[self.input_names[0]])
            self._start_pseudo_inputs(checked)
        return (checked, None) if first is None else (stream, y)

    @property
    def _learns_from_data(self):
        """Whether a part learns a scale, or examples, from the data before training begins."""
        parts = self._parts.standardize, self._parts.pseudo_inputs
        needed = any(layer is not None and not layer.is_adapted for layer in parts)
        return needed or (self.condition is not None and self.condition.needs_data)

    def batch_checker(self):
        check = self._intake.checker()
        return lambda batch: (check(batch),)

    def adapt(self, images) -> None:
        """Lets a model of numbers of any scale learn the scale of its data.

        The first `fit` does it by itself: of a stream, with its first batches.

        Args:
            images: Array of shape `(count, *image_shape)`.

        Raises:
            ValueError: If the likelihood is not one of numbers of any scale, such as
                `likelihoods.Gaussian`, or the images are not what the model takes.
        """
        layer = self._parts.standardize
        if layer is None:
            raise ValueError(
                "`adapt` needs a likelihood of numbers of any scale, such as "
                f"`likelihoods.Gaussian`. Received: {type(self.likelihood).__name__}"
            )
        layer.adapt(self.check_images(images))
        # Copies: variables that share memory cannot both be given to a step of JAX.
        self.likelihood.standardize(*(np.array(ops.convert_to_numpy(w)) for w in layer.learned))

    def _count(self, x, held_out):
        """How many examples `fit` trains on, or None where it is given a stream."""
        if not isinstance(x, dict):
            return None
        return math.floor(len(x[self.input_names[0]]) * (1.0 - held_out))

    def _start_pseudo_inputs(self, examples):
        """Starts what a prior has the encoder applied to at examples, once."""
        layer = self._parts.pseudo_inputs
        if layer is None or layer.is_adapted:
            return
        rows = layer.choose(len(examples[self.input_names[0]]))
        model = graph.cut_encoder_inputs(self)
        chosen = [examples[tensor.name][rows] for tensor in model.inputs]
        found = batched.predict(model, chosen if len(chosen) > 1 else chosen[0])
        layer.adapt(keras.tree.flatten(found))

    def _sample_of(self, x, count=256):
        """The first examples of what `fit` is given, or None where that is a stream."""
        if not isinstance(x, dict):
            return None
        return {name: values[:count] for name, values in x.items()}

    def check_images(self, images, name: str = "images") -> np.ndarray:
        """Checks images, or the rows of a table.

        Args:
            images: Array of shape `(count, *image_shape)`; a last axis of 1 may be missing.
            name: What they are called in messages.

        Returns:
            Array of that shape, not copied unless its type has to be another.

        Raises:
            ValueError: If they are not what the likelihood is of.
        """
        return self._intake.images(images, name)

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
        return self._step("train", super().train_step, args, self._class_weights)

    def test_step(self, *args):
        return self._step("test", super().test_step, args)

    def predict_step(self, *args):
        return self._step("predict", super().predict_step, args)

    def _step(self, kind, step, args, class_weights=None):
        *state, data = args  # a state comes first on JAX
        found = inputs.arrange(data, self.input_names)
        weights = found.pop(arrays.WEIGHT, None)
        image = found[self.input_names[0]]
        is_converted = self.is_fed_by_programs(kind)  # else Keras feeds what a stream has
        if not is_converted and self.support == (0.0, 1.0) and len(self.image_shape) > 1:
            found[self.input_names[0]] = _bytes_to_unit_interval(image)
        for tensor in self.inputs[1:]:
            if len(tensor.shape) == 1 and "int" in tensor.dtype:
                found[tensor.name] = to_integers(found[tensor.name])
        if class_weights is not None:
            label = found["label"]
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
        reported = {
            self._names_of_terms.get(name, name): value for name, value in step.reported.items()
        }
        reported[ELBO] = -sum(reported[name] for name in self.elbo_terms)
        for tracker in self._trackers:
            tracker.update_state(reported[tracker.name], sample_weight=batch_size)
        image = networks.to_unit_interval(keras.tree.flatten(x)[0])
        for metric in self._image_metrics:
            metric.update_state(image, y_pred, sample_weight=step.sample_weight)
        loss = sum(step.losses) / fitting.replicas(self)
        if self.losses:  # of a user's layers
            loss = loss + super().compute_loss(x, y, y_pred, sample_weight, training)
        return loss


def _bytes_to_unit_interval(images):
    """A batch of floats of 0..255, as loaders of files give them, in [0, 1]; others as they are."""
    if "float" not in keras.backend.standardize_dtype(images.dtype):
        return images
    return images * ops.cast(ops.where(ops.max(images) > 1, 1.0 / 255.0, 1.0), images.dtype)


def _metric(identifier) -> keras.metrics.Metric:
    """A metric of the reconstruction, whose pixels are compared as numbers in [0, 1]."""
    name = BINARY.get(identifier, identifier) if isinstance(identifier, str) else identifier
    metric = keras.metrics.get(name)
    if not isinstance(metric, keras.metrics.Metric):
        metric = keras.metrics.MeanMetricWrapper(metric, name=getattr(metric, "__name__", None))
    if isinstance(identifier, str):
        metric.name = identifier
    return metric
