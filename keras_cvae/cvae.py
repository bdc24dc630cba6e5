"""The conditional VAE, and what it is used for: drawing, encoding, decoding, redrawing."""

from __future__ import annotations

import functools
import itertools
import warnings
from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from keras_cvae import (
    aggregate_posterior,
    batched,
    checks,
    copying,
    evaluation,
    graph,
    networks,
    noise,
    priors,
    training,
)
from keras_cvae.data import inputs
from keras_cvae.fitting.inside import calls


@keras.saving.register_keras_serializable("keras_cvae")
class CVAE(training.TrainedVAE, networks.ImageModel):
    """A conditional VAE end to end: `[image, label]` (or `image`) to the reconstructed image.

    A functional Keras model whose loss layers carry the loss; `build_cvae` makes one. `encoder`,
    `decoder` and `generator` are models of the same layers, so training it trains them all.

    `fit` and `evaluate` take `[images, labels]`, a dict by input name, or a stream of
    `(image, label)` pairs, and report `loss`, its terms, such as `reconstruction` and `kl`, and
    `elbo`, minus the sum of the two whatever the objective weighs, in nats per example.
    """

    def generate(
        self,
        labels=None,
        *,
        count: int | None = None,
        temperature: float = 1.0,
        pixels: str = "mean",
        seed: int | None = None,
        batch_size: int = batched.BATCH_SIZE,
    ) -> np.ndarray:
        """Draws images from the model: z ~ p(z | y), then the mean of p(x | z, y), or a draw of it.

        Args:
            labels: A label for each image, or one for all `count`: integers, or the names of the
                condition's classes; -1 or None draws without a label. Of a condition of another
                kind its values, of `conditions.Attributes` a dict of them.
            count: How many images, where `labels` does not tell; 1 by default.
            temperature: Scales the spread of z, of a mixture about the mean of each component;
                below 1 draws are more typical, less varied.
            pixels: `"mean"` for the mean of p(x | z, y), without noise; `"sample"` for a draw.
            seed: Seed of z: the same seed gives the same latents on every backend. Pixels that are
                drawn are the same on one backend. By default each call draws anew, as
                `keras.utils.set_random_seed` has seeded it.
            batch_size: How many images are decoded at a time.

        Returns:
            Array of shape `(count, *image_shape)`, in [0, 1] for Bernoulli pixels.

        Raises:
            ValueError: If labels are out of range, or another argument makes no sense.
        """
        checks.look_up("pixels", pixels, {"mean": None, "sample": None})
        if count is None:
            count = 1 if self.condition is None else self.condition.how_many(labels)
        count = checks.integer("count", count, least=1)
        temperature = checks.number("temperature", temperature, least=0)
        seed = noise.seed_or_next(seed)
        rng = np.random.default_rng(seed)
        normal = rng.standard_normal((count, self.latent_dim), "float32")
        temperatures = np.full((count, 1), temperature, "float32")
        values = self._values(labels, count)
        if values:
            values = self.condition.drawn(values, rng)
        rows = [normal, temperatures, *values.values()]
        if pixels == "mean":
            return batched.predict(self._drawings, rows, batch_size)
        seeds = np.random.default_rng(seed).integers(2**31 - 1, size=-(-count // batch_size))
        images = []
        for index, batch_seed in enumerate(seeds):
            batch = [row[index * batch_size : (index + 1) * batch_size] for row in rows]
            parameters = batched.predict(self._drawn_parameters, batch, batch_size)
            sampled = self.likelihood.sample(ops.convert_to_tensor(parameters), int(batch_seed))
            images.append(ops.convert_to_numpy(sampled))
        return np.concatenate(images)

    def fit_prior(self, x, y=None, *, prior="mixture", seed: int = 0) -> dict:
        """Fits a prior to where the encodings of each label lie, after training.

        It takes the place of the model's prior, in the same graph: from then on `generate`, `loss`,
        `kl`, `elbo` and likelihoods are those of the fitted prior, which is saved with the model,
        and which further training trains on with the rest. Encoder and decoder stay as they are.
        Where there are several groups of latents, it is the prior of the first.

        Args:
            x: The training data, as for `fit`; of a stream up to 100,000 examples.
            y: As for `fit`.
            prior: One of `priors.NAMES`, which depends on y where there is a condition, or an
                object of `keras_cvae.priors`, such as `priors.Flow(8, conditional=True)`. A
                `"mixture"`, of normals with full covariances, is fitted in seconds, by expectation
                maximisation, any other prior by stochastic gradients.
            seed: Seed of the fitting.

        Returns:
            Dict of `scores`, how well held-out encodings fit, in nats: by number of `components`,
            of which the best is chosen, or by epoch; and `elbo_before` and `elbo_after`, the ELBO
            of some of the examples under the prior that was replaced and under the fitted one, in
            nats per example.

        Raises:
            ValueError: If the data is not what the model takes, or the prior does not go with it.

        Example:
        ```python
        cvae.fit([x_train, y_train], epochs=20)
        cvae.fit_prior([x_train, y_train])
        eights = cvae.generate([8] * 16)
        ```
        """
        if isinstance(prior, str):
            kind = checks.look_up("prior", prior, priors.NAMES)
            prior = kind.to_fit(conditional=self.condition is not None)
        output, prior = graph.with_prior(self, copying.own(priors.get, prior, "prior"))
        x, _ = self._checked(x, y)
        batches = inputs.batches(x, aggregate_posterior.MOST, seed)
        pairs = map(self._intake.pair, map(self._intake.checker(), batches))
        first = next(pairs)
        encodings = aggregate_posterior.encodings(self, itertools.chain([first], pairs))
        report = prior.fit(*encodings, seed=seed)
        for name in ("elbo_before", "elbo_after"):
            if name == "elbo_after":
                calls.rewire(self, output)
            elbo = evaluation.terms(self, *first, draws=1, seed=seed)["elbo"]
            report[name] = float(elbo.mean())
        return report

    def export(self, filepath, format="tf_saved_model", *args, **kwargs):
        """`keras.Model.export`, but to ONNX, which has no seeded random numbers to draw z by.

        Raises:
            ValueError: If `format` is `"onnx"`; it names the models to export instead.
        """
        if format == "onnx":
            raise ValueError(
                "`format` must be another for the whole model, which draws z at random; export "
                "`cvae.encoder`, `cvae.decoder` or `cvae.generator` to ONNX. Received: 'onnx'"
            )
        return super().export(filepath, format, *args, **kwargs)

    def encode(self, images, labels=None, *, batch_size: int = batched.BATCH_SIZE) -> list:
        """Encodes images: the parameters of q(z | x, y).

        Args:
            images: Array of shape `(count, *image_shape)`, uint8 or in [0, 1].
            labels: The images' labels, as for `generate`, or one for all; -1 or None: unknown, or
                inferred where the model infers them.
            batch_size: How many images are processed at a time.

        Returns:
            `[z_mean, z_log_var]`, arrays of shape `(count, latent_dim)`.

        Raises:
            ValueError: If images or labels are not what the model takes.
        """
        images = self.check_images(images)
        is_given = len(self.encoder.inputs) > 1 or self.condition is None
        rows = self._with_values(images, labels) if is_given else images
        return batched.predict(self.encoder, rows, batch_size)

    def decode(self, z, labels=None, *, batch_size: int = batched.BATCH_SIZE) -> np.ndarray:
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
        images = batched.predict(self._pictures, rows, batch_size)
        return images.reshape(*leading, *self.image_shape)

    def reconstruct(
        self, images, labels=None, as_labels=None, *, batch_size: int = batched.BATCH_SIZE
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
        images = self.check_images(images)
        name = "labels" if as_labels is None else "as_labels"
        values = self._values(labels if as_labels is None else as_labels, len(images), name)
        z, _ = self.encode(images, labels, batch_size=batch_size)
        values = self._completed(images, values)
        rows = [z, *values.values()] if values else z
        return batched.predict(self._pictures, rows, batch_size)

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
        images = self.check_images(images)
        return images, [*self._completed(images, self._values(labels, len(images))).values()]

    def labellings(self, images, labels=None) -> tuple[np.ndarray, Iterator[tuple], dict]:
        """What the bound of images is an average over: every label that one may have.

        Args:
            images: As for `encode`.
            labels: As for `encode`.

        Returns:
            `(images, labellings, costs)`: the images; of each labelling `(rows, labels, weights)`,
            an index of them, what is known of those, and what that weighs in their bound; and what
            the labels themselves add to minus the bound, arrays of shape `(count,)` by the name of
            the term.

        Raises:
            ValueError: If they are not what the model takes.
        """
        images = self.check_images(images)
        values = self._values(labels, len(images))
        if not values:
            return images, iter([(slice(None), None, 1.0)]), {}
        of_images = values, functools.partial(self._infer, images)
        found = self.condition.labellings(*of_images)
        named = ((rows, self.condition.together(known), weights) for rows, known, weights in found)
        return images, named, self.condition.costs(*of_images)

    def pixels_of(self, images, rng=None) -> np.ndarray:
        """What of images is to be explained: float32 pixels, drawn or thresholded as in training.

        Args:
            images: Checked images, uint8 or floats.
            rng: A NumPy generator for pixels that are drawn; by default a new one of seed 0.
        """
        pixels = images / np.float32(255) if images.dtype == np.uint8 else images
        if self.binarize is not None:
            rng = rng or np.random.default_rng(0)
            pixels = pixels > (rng.random(pixels.shape) if self.binarize.is_random else 0.5)
        return pixels.astype("float32")

    def _completed(self, images, values):
        infer = functools.partial(self._infer, images)
        return self.condition.complete(values, infer) if values else {}

    def _infer(self, images, rows):
        return batched.predict(self.classifier, images[rows])

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
        for sentence in self.condition.describe_untrained(values):
            warnings.warn(sentence, stacklevel=4)
        return values

    def _with_values(self, first, labels, name="labels"):
        values = self._values(labels, len(first), name)
        return [first, *values.values()] if values else first
