"""A mixture of the model's own posteriors at learned inputs."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.precision import Float32Layer
from keras_cvae.priors.base import Prior
from keras_cvae.priors.mixture import choose, noise_of
from keras_cvae.types import Tensor


@keras.saving.register_keras_serializable("keras_cvae")
class VampPrior(Prior):
    r"""A mixture of the encoder's posteriors at learned pseudo-inputs.

    p(z | y) = \sum_k w_k(y) q(z | u_k, v_k)

    The pseudo-inputs u_k are images or vectors, and the v_k are conditions if y is an input of the
    encoder. All are learned with the model, and the first `fit` initializes them with examples of
    its data. (The encoder is applied to the `components` pseudo-inputs once in each step,
    independent of the batch; y enters by the weights w, whose logits are linear in y.) The logits
    start at 0, where w_k = 1 / components as in the paper.

    The encoder is part of the graph, and so are the pseudo-inputs, a layer `pseudo_inputs`. Other
    priors are called with y; this one is called with `[z_mean, z_log_var]` of the pseudo-inputs, of
    shape `(components, latent_dim)`, and if it is conditional with `[z_mean, z_log_var, y]`. Noise
    is converted to latents as for `Mixture`. In a network of your own, do not use batch
    normalisation, which would treat the pseudo-inputs as another batch of data.

    Args:
        components: The number of pseudo-inputs.
        conditional: Whether the weights depend on y.

    Raises:
        ValueError: If `components` is not an integer of at least 1; and in `build`, without the
            encodings of the pseudo-inputs.

    Reference:
        [Tomczak and Welling, 2018](https://arxiv.org/abs/1705.07120).
    """

    def __init__(self, components: int = 100, conditional: bool = False, **kwargs):
        super().__init__(**kwargs)
        self.components = checks.integer("components", components, least=1)
        self.conditional = checks.boolean("conditional", conditional)

    def pseudo_inputs(self, shapes, in_unit_interval) -> PseudoInputs:
        return PseudoInputs(self.components, shapes, in_unit_interval, name="pseudo_inputs")

    def arguments(self, y, encode) -> dict:
        return {"y": [*encode(), y] if self.conditional else encode()}

    def fit(self, encodings, held_out=None, seed=0, verbose=0) -> dict:
        raise checks.ArgumentError(
            "prior",
            "must be another kind: a VampPrior is learned with the encoder that its "
            "components come from, `build_cvae(..., prior='vamp')`",
            "VampPrior",
        )

    def build(self, z_shape, y_shape=None) -> None:
        shapes = y_shape if isinstance(y_shape, list) else []
        checks.require(
            len(shapes) == 2 + self.conditional,
            "prior",
            "must be called with the encoder's outputs for its pseudo-inputs, [z_mean, z_log_var"
            f"{', y' if self.conditional else ''}], as the graph of a model does",
            f"{len(shapes) or 'no'} tensors",
        )
        rows = 1 + (shapes[-1][-1] if self.conditional else 0)
        self.logits = self.add_weight(
            (rows, self.components), initializer="zeros", dtype="float32", name="logits"
        )
        self.built = True

    def log_prob(self, z, y=None) -> Tensor:
        mean, log_var, logits = self._mixture(y)
        each = divergences.normal_log_prob(ops.expand_dims(z, -2), mean, log_var)
        return ops.logsumexp(ops.log_softmax(logits) + each, axis=-1)

    def noise(self, z, y=None) -> Tensor:
        mean, log_var, logits = self._mixture(y)
        each = divergences.normal_log_prob(ops.expand_dims(z, -2), mean, log_var)
        most_probable = ops.argmax(ops.log_softmax(logits) + each, axis=-1)
        chosen = ops.one_hot(most_probable, self.components, dtype="float32")
        mean, deviation = self._of_component(chosen, mean, log_var)
        return noise_of(chosen, (z - mean) / deviation, logits)

    def transport(self, noise, y=None) -> Tensor:
        return self.tempered(noise, 1.0, y)

    def tempered(self, noise, temperature, y=None) -> Tensor:
        """Converts noise to latents; the temperature scales the deviation from a component's mean.

        Args:
            noise: As for `transport`.
            temperature: As for `Prior.tempered`.
            y: As for `transport`.
        """
        mean, log_var, logits = self._mixture(y)
        chosen, eps = choose(noise, logits)
        mean, deviation = self._of_component(chosen, mean, log_var)
        return mean + temperature * deviation * eps

    def _of_component(self, chosen, mean, log_var):
        """Returns mean and standard deviation of the chosen component, one-hot, of each row."""
        deviation = ops.exp(0.5 * ops.minimum(log_var, divergences.LOG_VAR_LIMIT))
        return ops.matmul(chosen, mean), ops.matmul(chosen, deviation)

    def _mixture(self, y):
        """Returns means, log-variances `(components, latent_dim)`, logits `(rows, components)`."""
        mean, log_var, *y = y
        logits = ops.convert_to_tensor(self.logits)
        if not self.conditional:
            return mean, log_var, logits
        return mean, log_var, logits[:1] + ops.matmul(ops.cast(y[0], "float32"), logits[1:])

    def get_config(self) -> dict:
        config = {"components": self.components, "conditional": self.conditional}
        return {**super().get_config(), **config}


@keras.saving.register_keras_serializable("keras_cvae")
class PseudoInputs(Float32Layer):
    """Learned inputs of an encoder.

    They are random at first; `adapt` sets them to examples.

    Args:
        components: The number of pseudo-inputs.
        shapes: Shape of each input of the encoder, without the batch; that of the image first.
        in_unit_interval: Whether images are clipped to [0, 1].

    Call arguments:
        inputs: Any tensor. The outputs do not depend on it, but a layer in a graph of Keras needs
            an input.

    Returns:
        A list of tensors of shape `(components, *shape)`, one for each of `shapes`.
    """

    def __init__(
        self,
        components: int,
        shapes: Sequence[Sequence[int]],
        in_unit_interval: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.components = checks.integer("components", components, least=1)
        self.shapes = [tuple(shape) for shape in shapes]
        self.in_unit_interval = in_unit_interval

    def build(self, input_shape) -> None:
        limits = {"constraint": _to_unit_interval} if self.in_unit_interval else {}
        start = keras.initializers.RandomUniform(0.0, 1.0)
        self.values = [
            self.add_weight((self.components, *shape), start, name=f"values_{i}", **options)
            for i, (shape, options) in enumerate(zip(self.shapes, [limits, {}], strict=False))
        ]
        self.adapted = self.add_weight((), "zeros", trainable=False, name="adapted")
        self.built = True

    @property
    def is_adapted(self) -> bool:
        """Whether `adapt` was called."""
        return bool(ops.convert_to_numpy(self.adapted))

    def choose(self, count: int) -> np.ndarray:
        """Returns the indices of examples to start with: `components` of `count`, or all.

        Args:
            count: The number of examples.
        """
        return np.random.default_rng(0).permutation(count)[: self.components]

    def adapt(self, examples: Sequence[np.ndarray]) -> None:
        """Sets the pseudo-inputs to examples; if there are too few, the others stay random.

        Args:
            examples: An array for each input, all with the same number of rows, at most
                `components`.
        """
        for value, rows in zip(self.values, examples, strict=True):
            start = np.array(ops.convert_to_numpy(value))
            start[: len(rows)] = rows
            value.assign(start)
        self.adapted.assign(1.0)

    def call(self, inputs) -> list[Tensor]:
        return [ops.convert_to_tensor(value) for value in self.values]

    def compute_output_spec(self, inputs) -> list[keras.KerasTensor]:
        return [
            keras.KerasTensor((self.components, *shape), dtype=self.compute_dtype)
            for shape in self.shapes
        ]

    def get_config(self) -> dict:
        config = {
            "components": self.components,
            "shapes": self.shapes,
            "in_unit_interval": self.in_unit_interval,
        }
        return {**super().get_config(), **config}


def _to_unit_interval(values):
    return ops.clip(values, 0.0, 1.0)
