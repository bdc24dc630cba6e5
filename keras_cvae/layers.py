r"""The graph's own layers: pixels, sampling, and the terms of minus the ELBO.

-ELBO = -log p(x | z, y) + KL(q(z | x, y) || p(z | y)), z ~ q(z | x, y), in nats per example.

Each loss layer adds its term, averaged over the batch, with `add_loss`; any Keras model that holds
the layers is thereby trained on the sum of the terms, without a `loss` in `compile`.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae import checks, divergences, likelihoods, noise, priors, terms
from keras_cvae.terms import LossLayer

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


@register
class Repeat(keras.layers.Layer):
    """Repeats each row: K samples of an example are K rows, next to each other.

    Args:
        count: How often, K.

    Call arguments:
        inputs: Tensor of shape `(batch, ...)`, or a list of them.

    Returns:
        Tensor of shape `(batch * count, ...)`, or a list of them.

    Raises:
        ValueError: If `count` is not an integer of at least 1.
    """

    def __init__(self, count: int, **kwargs):
        super().__init__(**kwargs)
        self.count = checks.integer("count", count, least=1)

    def call(self, inputs):
        return keras.tree.map_structure(lambda x: ops.repeat(x, self.count, axis=0), inputs)

    def compute_output_spec(self, inputs):
        def rows(tensor):
            batch = tensor.shape[0] and tensor.shape[0] * self.count
            return keras.KerasTensor((batch, *tensor.shape[1:]), dtype=tensor.dtype)

        return keras.tree.map_structure(rows, inputs)

    def get_config(self):
        return {**super().get_config(), "count": self.count}


@register
class UnitInterval(keras.layers.Layer):
    """Scales images of 0..255 to [0, 1], and leaves those in [0, 1] as they are.

    An example with a value above 1 is one of 0..255. `CVAE` and the models cut from it scale uint8
    by its type, which is exact for all-black images too; this is for models that a user cuts out
    of the graph, which Keras gives floats. In a step of a `CVAE` it does nothing.

    Call arguments:
        inputs: Tensor of shape `(batch, ...)`.

    Returns:
        Tensor of the same shape, in [0, 1].
    """

    def __init__(self, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)

    def call(self, inputs):
        if terms.current() is not None:
            return inputs
        axes = tuple(range(1, len(inputs.shape)))
        top = ops.max(inputs, axis=axes, keepdims=True)
        return inputs * ops.where(top > 1.0, 1.0 / 255.0, 1.0)

    def compute_output_shape(self, input_shape):
        return input_shape


def _threshold(pixels, seed):
    return pixels > 0.5


def _dynamic(pixels, seed):
    return noise.uniform(ops.shape(pixels), seed) < pixels


@register
class Binarize(keras.layers.Layer):
    """Makes grey pixels black or white, in float32 under every dtype policy.

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

    MODES = {"threshold": _threshold, "dynamic": _dynamic}

    def __init__(self, mode: str = "threshold", seed: int | None = None, dtype="float32", **kwargs):
        super().__init__(dtype=dtype, **kwargs)
        self._binarize = checks.look_up("binarize", mode, self.MODES)
        self.mode = mode
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    @classmethod
    def get(cls, identifier) -> Binarize:
        """A layer `binarize` of the mode, or like the layer, that is given."""
        if isinstance(identifier, cls):
            return cls(identifier.mode, identifier.seed, name="binarize")
        return cls(identifier, name="binarize")

    @property
    def is_random(self) -> bool:
        """Whether the same pixels can come out differently."""
        return self.mode == "dynamic"

    def call(self, inputs):
        return ops.cast(self._binarize(inputs, self.seed_generator), "float32")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "mode": self.mode, "seed": self.seed}


def flat(x):
    """A tensor of shape `(batch, ...)` with one row an example."""
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


class Divergence(LossLayer):
    """A loss layer between the posterior q(z | x, y) and the prior p(z | y).

    A subclass defines `call`, which adds its terms and returns the inputs.

    Args:
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: `[z_mean, z_log_var]` or, where a sample is needed, `[z_mean, z_log_var, z]`:
            tensors of shape `(batch, ...)`, summed over all axes but the first.
        y: The condition, of shape `(batch, width)`, where the prior depends on it.

    Returns:
        The inputs, unchanged. Build on them: a layer that leads to no output is no part of a
        functional model, nor is its loss.

    Raises:
        ValueError: If the prior is unknown, or z is missing where it is needed.
    """

    def __init__(self, prior="standard_normal", **kwargs):
        super().__init__(**kwargs)
        self.prior = priors.get(prior)

    @property
    def needs_sample(self) -> bool:
        """Whether it must be given z."""
        return not self.prior.closed_form

    def build(self, inputs_shape, y_shape=None):
        if len(inputs_shape) < 3 and self.needs_sample:
            reason = f"{type(self).__name__} compares samples"
            if not self.prior.closed_form:
                reason = f"{type(self.prior).__name__} has no closed form of the KL divergence"
            raise ValueError(
                f"`inputs` must be [z_mean, z_log_var, z]: {reason}. Received: two tensors"
            )
        if not self.prior.built:
            self.prior.build((None, math.prod(inputs_shape[0][1:])), y_shape)
        self.built = True

    def kl(self, inputs, y=None):
        """KL(q(z | x, y) || p(z | y)) of each example: a tensor of shape `(batch,)`, in nats."""
        return self.prior.kl(*map(flat, inputs), y=y)

    def compute_output_spec(self, inputs, y=None, training=False):
        return [keras.KerasTensor(x.shape, dtype=self.compute_dtype) for x in inputs]

    def get_config(self):
        prior = keras.saving.serialize_keras_object(self.prior)
        return {**super().get_config(), "prior": prior}

    @classmethod
    def from_config(cls, config):
        return cls(**{**config, "prior": keras.saving.deserialize_keras_object(config["prior"])})


@register
class KLDivergence(Divergence):
    """Loss layer: adds beta * KL(q(z | x, y) || p(z | y)), averaged over the batch, in nats.

    Args:
        beta: Weight of the term in the loss; 1 makes the loss minus the ELBO. It becomes the
            non-trainable weight `beta`, so that it may be assigned to while `fit` runs.
        prior: `"standard_normal"`, another name or an object from `keras_cvae.priors`.

    Call arguments:
        inputs: As of `Divergence`; z is needed by a prior without a closed form.
        y: As of `Divergence`.

    Returns:
        The inputs, unchanged, to be built on.

    Raises:
        ValueError: If an argument is not one of the above, or z is missing where it is needed.
    """

    def __init__(self, beta: float = 1.0, prior="standard_normal", **kwargs):
        super().__init__(prior, **kwargs)
        self.initial_beta = checks.number("beta", beta, least=0)
        self.beta = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(beta),
            trainable=False,
            dtype="float32",
            name="beta",
        )

    def call(self, inputs, y=None):
        self.add_term(self.kl(inputs, y), ops.convert_to_tensor(self.beta))
        return inputs

    def get_config(self):
        return {**super().get_config(), "beta": self.initial_beta}


@register
class ClassificationLoss(LossLayer):
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

    def __init__(self, weight: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.weight = checks.number("weight", weight, least=0)

    def call(self, inputs):
        label, logits = inputs
        # An unknown label's one-hot vector is all zeros: it adds nothing to the sum.
        one_hot = ops.one_hot(label, logits.shape[-1], dtype=logits.dtype)
        labelled = ops.sum(one_hot, axis=-1)
        share = ops.maximum(ops.sum(labelled), 1.0) / ops.cast(ops.shape(labelled)[0], "float32")
        self.add_term(-ops.sum(one_hot * ops.log_softmax(logits), axis=-1) / share, self.weight)
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
        self.temperature = checks.number("temperature", temperature, above=0)
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
class ReconstructionLoss(LossLayer):
    """Loss layer: adds -log p(x | z, y), averaged over the batch, in nats.

    Args:
        likelihood: `"bernoulli"`, another name or an object from `keras_cvae.likelihoods`.

    Call arguments:
        inputs: `[x, parameters]`: the pixels that were encoded, of shape `(batch, ...)`, and what
            the decoder returned for them, in the likelihood's `parameter_shape` of that.

    Returns:
        The mean of p(x | z, y), a tensor of the shape of `x`: the reconstruction.

    Raises:
        ValueError: If the likelihood is unknown or the parameters have another shape.
    """

    def __init__(self, likelihood="bernoulli", **kwargs):
        super().__init__(**kwargs)
        self.likelihood = likelihoods.get(likelihood)

    def build(self, input_shape):
        self.likelihood.build_for(*input_shape)
        self.built = True

    def call(self, inputs, training=False):
        x, parameters = inputs
        likelihood = self.likelihood
        log_prob = likelihood.log_prob_of_batch if training else likelihood.log_prob
        self.add_term(-log_prob(x, parameters))
        return self.likelihood.mean(parameters)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        likelihood = keras.saving.serialize_keras_object(self.likelihood)
        return {**super().get_config(), "likelihood": likelihood}

    @classmethod
    def from_config(cls, config):
        likelihood = keras.saving.deserialize_keras_object(config["likelihood"])
        return cls(**{**config, "likelihood": likelihood})
