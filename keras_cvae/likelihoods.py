r"""The likelihood p(x | z, y): what the decoder's output says of the pixels.

A likelihood is a Keras layer with three methods. `log_prob(x, parameters)` is the sum over the
pixels of one example, in nats; `mean(parameters)` is the picture that is shown;
`sample(parameters, seed)` draws pixels. `parameters`, what the decoder returns, has the shape of
`x`.
"""

from __future__ import annotations

import math

import keras
from keras import ops

from keras_cvae.divergences import LOG_2_PI
from keras_cvae.errors import look_up


def _flat(x):
    """Pixels as vectors: compilers sum over one axis faster than over several."""
    x = ops.convert_to_tensor(x)
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


@keras.saving.register_keras_serializable("keras_cvae")
class Bernoulli(keras.layers.Layer):
    r"""Independent Bernoulli pixels, from logits.

    log p(x | l) = sum [ x l - log(1 + exp(l)) ], finite for every finite logit l. Grey pixels in
    [0, 1] are taken as they are: the result is then the expectation over pixels drawn with these
    probabilities, which is minus the binary cross-entropy.

    Example:
    >>> keras_cvae.likelihoods.Bernoulli().log_prob(x, logits)   # shape (batch,)
    """

    bounded = True  # pixels must lie in [0, 1]

    def log_prob(self, x, parameters):
        """Log-likelihood of `x`, shape `(batch, ...)`: a tensor of shape `(batch,)`, in nats."""
        # log(1 + exp(l)) = r + log(1 + exp(l - 2r)), r = max(l, 0): one pass, exact gradients.
        x, logits = _flat(x), _flat(parameters)
        r = ops.relu(logits)
        softplus = r + ops.log1p(ops.exp(logits - 2.0 * r))
        return ops.sum(x * logits - softplus, axis=1)

    def mean(self, parameters):
        """Mean of the pixels, in [0, 1], of the shape of `parameters`."""
        return ops.sigmoid(parameters)

    def sample(self, parameters, seed=None):
        """Pixels that are 0 or 1, of the shape of `parameters`."""
        noise = keras.random.uniform(ops.shape(parameters), seed=seed)
        return ops.cast(noise < self.mean(parameters), "float32")


@keras.saving.register_keras_serializable("keras_cvae")
class Gaussian(keras.layers.Layer):
    r"""Independent normal pixels around the decoder's output, with one variance for all.

    log p(x | m) = -1/2 sum [ log(2 pi v) + (x - m)^2 / v ]

    Args:
        variance: The variance v, or where learning starts. Positive.
        learn_variance: Whether v is a trainable weight.

    Raises:
        ValueError: If `variance` is not a positive, finite number.
    """

    bounded = False

    def __init__(self, variance: float = 1.0, learn_variance: bool = False, **kwargs):
        super().__init__(**kwargs)
        if not (isinstance(variance, (int, float)) and 0 < variance < math.inf):
            raise ValueError(f"`variance` must be a positive number. Received: {variance!r}")
        self.initial_variance = variance
        self.learn_variance = learn_variance
        self.log_variance = self.add_weight(
            shape=(),
            initializer=keras.initializers.Constant(math.log(variance)),
            trainable=learn_variance,
            dtype="float32",
            name="log_variance",
        )
        self.built = True

    def log_prob(self, x, parameters):
        """Log-density of `x`, shape `(batch, ...)`: a tensor of shape `(batch,)`, in nats."""
        log_variance = ops.convert_to_tensor(self.log_variance)
        squared = ops.square(_flat(x) - _flat(parameters)) * ops.exp(-log_variance)
        return -0.5 * ops.sum(LOG_2_PI + log_variance + squared, axis=1)

    def mean(self, parameters):
        """Mean of the pixels: the decoder's output itself."""
        return parameters

    def sample(self, parameters, seed=None):
        """Pixels drawn around `parameters`, of the same shape."""
        noise = keras.random.normal(ops.shape(parameters), seed=seed)
        deviation = ops.exp(0.5 * ops.convert_to_tensor(self.log_variance))
        return ops.add(parameters, deviation * noise)

    def get_config(self):
        config = {"variance": self.initial_variance, "learn_variance": self.learn_variance}
        return {**super().get_config(), **config}


def get(identifier) -> keras.layers.Layer:
    """Returns the likelihood that `identifier` names, or `identifier` itself if it is one.

    Args:
        identifier: `"bernoulli"`, `"gaussian"`, or an object with `log_prob`, `mean`, `sample`.

    Raises:
        ValueError: If the name is unknown.
    """
    if hasattr(identifier, "log_prob") and not isinstance(identifier, type):
        return identifier
    return look_up("likelihood", identifier, {"bernoulli": Bernoulli, "gaussian": Gaussian})()
