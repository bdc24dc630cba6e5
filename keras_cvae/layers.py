r"""The graph's own layers: sampling, binarisation, and the terms of the loss.

-ELBO = -log p(x | z, y) + KL(q(z | x, y) || p(z)), z ~ q(z | x, y), in nats per example.

Each loss layer adds its term, averaged over the batch, with `add_loss`; any Keras model that holds
the layers is thereby trained on the sum of the terms, without a `loss` in `compile`.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import divergences, likelihoods, noise, priors
from keras_cvae.checks import look_up

register = keras.saving.register_keras_serializable("keras_cvae")


@register
def reparameterize(inputs, seed):
    """Draws z = mean + exp(log_var / 2) * eps, eps ~ N(0, I).

    Args:
        inputs: `[mean, log_var]`, tensors of shape `(batch, latent_dim)`.
        seed: A `keras.random.SeedGenerator` or an integer.

    Returns:
        Tensor of shape `(batch, latent_dim)`. Gradients flow to both inputs.

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114).
    """
    mean, log_var = map(ops.convert_to_tensor, inputs)
    log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)
    eps = noise.normal(ops.shape(mean), seed, mean.dtype)
    return mean + ops.exp(0.5 * log_var) * eps


@register
class Sampling(keras.layers.Lambda):
    """Samples the posterior q(z | x, y) by the reparameterization trick, in float32.

    Every call draws new noise, in training and in inference, before and after saving.

    Args:
        seed: Optional integer seed.

    Call arguments:
        inputs: `[z_mean, z_log_var]`, tensors of shape `(batch, latent_dim)`.

    Returns:
        `z`, a tensor of shape `(batch, latent_dim)`.
    """

    def __init__(self, seed: int | None = None, dtype="float32", **kwargs):
        super().__init__(reparameterize, dtype=dtype, **kwargs)
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.arguments = {"seed": self.seed_generator}

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {**keras.layers.Layer.get_config(self), "seed": self.seed}

    @classmethod
    def from_config(cls, config, custom_objects=None, safe_mode=None):
        return cls(**config)


def _threshold(pixels, seed):
    return pixels > 0.5


def _dynamic(pixels, seed):
    return noise.uniform(ops.shape(pixels), seed, dtype=pixels.dtype) < pixels


@register
class Binarize(keras.layers.Layer):
    """Makes grey pixels black or white.

    Args:
        mode: `"threshold"` (1 above a half) or `"dynamic"` (drawn anew at every call, a pixel's
            grey value being its probability of 1).
        seed: Optional integer seed for `"dynamic"`.

    Call arguments:
        inputs: Pixels in [0, 1], of any shape.

    Returns:
        Pixels that are 0 or 1, of the same shape.

    Raises:
        ValueError: If `mode` is unknown.

    Reference:
        [Burda et al., 2016](https://arxiv.org/abs/1509.00519), for dynamic binarisation.
    """

    def __init__(self, mode: str = "threshold", seed: int | None = None, **kwargs):
        super().__init__(**kwargs)
        self._binarize = look_up("binarize", mode, {"threshold": _threshold, "dynamic": _dynamic})
        self.mode = mode
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs):
        return ops.cast(self._binarize(inputs, self.seed_generator), self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}


@register
class KLDivergence(keras.layers.Layer):
    """Loss layer: adds beta * KL(q(z | x, y) || p(z)), averaged over the batch, in nats.

    Args:
        beta: Weight of the term in the loss; 1 makes the loss minus the ELBO. It becomes the
            non-trainable weight `beta`, so that it may be assigned to while `fit` runs.
        estimator: `"analytic"`, the closed form, or `"monte_carlo"`, log q(z | x, y) - log p(z) of
            the one z that was sampled.
        prior: `"standard_normal"` or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: `[z_mean, z_log_var]` or, as `"monte_carlo"` needs, `[z_mean, z_log_var, z]`:
            tensors of shape `(batch, latent_dim)`.

    Returns:
        The inputs, unchanged. Build on them: a layer that leads to no output is no part of a
        functional model, nor is its loss.

    Raises:
        ValueError: If an argument is not one of the above, or z is missing where it is needed.
    """

    def __init__(
        self,
        beta: float = 1.0,
        estimator: str = "analytic",
        prior="standard_normal",
        dtype="float32",
        **kwargs,
    ):
        super().__init__(dtype=dtype, **kwargs)
        if not (isinstance(beta, (int, float)) and 0 <= beta < math.inf):
            raise ValueError(f"`beta` must be a finite number, at least 0. Received: {beta!r}")
        self._kl = look_up(
            "estimator", estimator, {"analytic": self._analytic, "monte_carlo": self._monte_carlo}
        )
        self.estimator = estimator
        self.prior = priors.get(prior)
        self.initial_beta = beta
        self.beta = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(beta),
            trainable=False,
            dtype="float32",
            name="beta",
        )

    def _analytic(self, z_mean, z_log_var, *_):
        return self.prior.kl(z_mean, z_log_var)

    def _monte_carlo(self, z_mean, z_log_var, z=None):
        if z is None:
            raise ValueError(
                'With `estimator="monte_carlo"` the inputs must be [z_mean, z_log_var, z]. '
                "Received: two tensors"
            )
        return divergences.normal_log_prob(z, z_mean, z_log_var) - self.prior.log_prob(z)

    def build(self, input_shape):
        self.prior.build(input_shape[0])
        self.built = True

    def call(self, inputs):
        kl = ops.mean(self._kl(*inputs))
        # Two losses whose sum is beta * kl: metrics show the first, honest at every beta.
        self.add_loss(kl)
        self.add_loss((ops.convert_to_tensor(self.beta) - 1.0) * kl)
        return inputs

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        config = {
            "beta": self.initial_beta,
            "estimator": self.estimator,
            "prior": keras.saving.serialize_keras_object(self.prior),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})


@register
class ClassificationLoss(keras.layers.Layer):
    """Loss layer: adds weight * -log q(y | x), averaged over the labelled examples, in nats.

    Args:
        weight: Weight of the term in the loss.

    Call arguments:
        inputs: `[label, logits]`: integer labels of shape `(batch,)`, -1 for an example that is
            left out, and logits of shape `(batch, num_classes)`.

    Returns:
        The logits, unchanged.

    Raises:
        ValueError: If `weight` is negative or not finite.
    """

    def __init__(self, weight: float = 1.0, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        if not (isinstance(weight, (int, float)) and 0 <= weight < math.inf):
            raise ValueError(f"`weight` must be a finite number, at least 0. Received: {weight!r}")
        self.weight = weight

    def call(self, inputs):
        label, logits = inputs
        # An unknown label's one-hot vector is all zeros: it adds nothing to the sum.
        one_hot = ops.one_hot(label, logits.shape[-1], dtype=logits.dtype)
        labelled = ops.maximum(ops.sum(one_hot), 1.0)
        loss = -ops.sum(one_hot * ops.log_softmax(logits)) / labelled
        self.add_loss(loss)
        self.add_loss((self.weight - 1.0) * loss)
        return logits

    def compute_output_shape(self, input_shape):
        return input_shape[1]

    def get_config(self):
        return {**super().get_config(), "weight": self.weight}


@register
class GumbelSoftmax(keras.layers.Layer):
    """Draws one-hot vectors from logits, with the gradient of their softmax relaxation.

    Training draws y = onehot(argmax(logits + g)), g Gumbel noise; the gradient is that of
    softmax((logits + g) / temperature). Otherwise y is the most probable class.

    Args:
        temperature: Of the relaxation; small values bring it near the one-hot vector, with a
            gradient of greater variance. Positive.
        seed: Optional integer seed.

    Call arguments:
        inputs: Logits of shape `(batch, num_classes)`.
        training: Whether to draw.

    Returns:
        One-hot vectors of the same shape.

    Raises:
        ValueError: If `temperature` is not a positive, finite number.

    Reference:
        [Jang et al., 2017](https://arxiv.org/abs/1611.01144).
    """

    def __init__(self, temperature: float = 1.0, seed=None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        if not (isinstance(temperature, (int, float)) and 0 < temperature < math.inf):
            raise ValueError(f"`temperature` must be a positive number. Received: {temperature!r}")
        self.temperature = temperature
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        logits = inputs
        if training:
            uniform = noise.uniform(ops.shape(inputs), self.seed_generator, minval=1e-7)
            logits = inputs - ops.log(-ops.log(uniform))
        soft = ops.softmax(logits / self.temperature)
        hard = ops.one_hot(ops.argmax(logits, axis=-1), inputs.shape[-1], dtype=soft.dtype)
        return soft + ops.stop_gradient(hard - soft)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "temperature": self.temperature, "seed": self.seed}


@register
class ReconstructionLoss(keras.layers.Layer):
    """Loss layer: adds -log p(x | z, y), averaged over the batch, in nats.

    Args:
        likelihood: A name in `keras_cvae.likelihoods.NAMES` or a `likelihoods.Likelihood`.

    Call arguments:
        inputs: `[x, parameters]`: the pixels that were encoded, of shape `(batch, *x_shape)`, and
            what the decoder returned for them, of shape
            `(batch, *likelihood.parameter_shape(x_shape))`.

    Returns:
        The mean of p(x | z, y), a tensor of the shape of `x`: the reconstruction.

    Raises:
        ValueError: If the likelihood is unknown or the parameters are not of the shape it names.
    """

    def __init__(self, likelihood="bernoulli", dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self.likelihood = likelihoods.get(likelihood)

    def build(self, input_shape):
        pixels, parameters = (tuple(shape[1:]) for shape in input_shape)
        expected = tuple(self.likelihood.parameter_shape(pixels))
        if parameters != expected:
            raise ValueError(
                f"The decoder must return parameters of shape {expected}, as "
                f"{type(self.likelihood).__name__} asks for x of shape {pixels}. "
                f"Received: {parameters}"
            )
        self.likelihood.build(input_shape[1])
        self.built = True

    def call(self, inputs):
        pixels, parameters = inputs
        self.add_loss(-ops.mean(self.likelihood.log_prob(pixels, parameters)))
        return self.likelihood.mean(parameters)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        config = {"likelihood": keras.saving.serialize_keras_object(self.likelihood)}
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config):
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})
