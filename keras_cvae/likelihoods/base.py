"""The base of all likelihoods."""

from __future__ import annotations

import abc
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from keras_cvae import standardize
from keras_cvae.checks import ArgumentError
from keras_cvae.data import arrays
from keras_cvae.precision import Float32Layer
from keras_cvae.types import Tensor


def rows(x) -> Tensor:
    """Returns the entries of each example as float32, of shape `(batch, entries)`.

    Compilers sum over one axis faster than over several.
    """
    x = ops.cast(x, "float32")
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


class Likelihood(Float32Layer, abc.ABC):
    """p(x | z, y), the distribution of x whose parameters are the decoder's output.

    The decoder returns one tensor, the `parameters`, of the likelihood's `parameter_shape`. A
    subclass defines `log_prob` and `mean`; `sample` to be sampled from; `parameter_shape` if the
    parameters do not have the shape of x; `support` if x is bounded. All computations are in
    float32 under every dtype policy.

    Attributes:
        support: The least and the greatest value of an entry of x.
        standardizes: Whether x may have any scale, which `standardize` sets.
        levels: The number of values k / (levels - 1) of an entry of x, if `log_prob` is a log
            probability; None if it is a log density.
        mean_activation: The name of the activation that maps the parameters to the mean; None if
            the mean is another function of them.
        autoregressive: Whether entries of x depend on each other given z and y, so that at a beta
            of 1 z may stay unused.

    Call arguments:
        parameters: Tensor of shape `(batch, *parameter_shape(x_shape))`.

    Returns:
        The mean of p(x | z, y), a tensor of shape `(batch, *x_shape)`.

    Example:
    ```python
    @keras.saving.register_keras_serializable("mine")
    class Laplace(keras_cvae.likelihoods.Likelihood):
        def log_prob(self, x, parameters):
            log_density = -keras.ops.abs(x - parameters) - math.log(2.0)
            return keras.ops.sum(log_density, axis=tuple(range(1, log_density.ndim)))

        def mean(self, parameters):
            return parameters
    ```
    """

    support: tuple[float, float] = (-math.inf, math.inf)
    standardizes = False
    levels: int | None = None
    mean_activation: str | None = None
    autoregressive = False

    def parameter_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape of the parameters, without the batch, for x of shape `x_shape`."""
        return tuple(x_shape)

    def build_for(self, x_shape, received) -> None:
        """Checks the shape of the decoder's output, and builds the weights.

        Args:
            x_shape: Shape of x, with the batch.
            received: Shape of the decoder's output, with the batch.

        Raises:
            ValueError: If that is not the `parameter_shape`, or there are weights for another one.
        """
        expected, received = self.parameter_shape(tuple(x_shape[1:])), tuple(received)
        if received[1:] != tuple(expected):
            raise ArgumentError(
                None,
                f"The decoder must return parameters of shape {tuple(expected)}, as "
                f"{type(self).__name__} asks for x of shape {tuple(x_shape[1:])}",
                f"{received[1:]}",
            )
        built = (self.get_build_config() or {}).get("input_shape")
        if not self.built:
            self.build(received)
        elif self.weights and built and built[-1] != received[-1]:
            raise ArgumentError(
                "likelihood",
                f"must have been trained with x of as many columns or channels, or be "
                f"new: this {type(self).__name__} has weights for {built[-1]}",
                f"{received[-1]}",
            )

    def check(self, x, name: str) -> np.ndarray:
        """Checks the values of x.

        Args:
            x: Array of shape `(count, *x_shape)`.
            name: Name of the argument, for messages.

        Returns:
            The array, copied only if its type must change.

        Raises:
            ValueError: If a value is not in the support, or not finite.
        """
        return arrays.check_values(x, self.support, name)

    def standardizer(self) -> keras.layers.Layer | None:
        """Returns a layer `standardize` to put before the encoder, or None if x has unit scale."""
        return standardize.Standardize(name="standardize") if self.standardizes else None

    def standardize(self, location, scale) -> None:
        """Sets the scale of x, as the `standardizer` has learned it.

        The encoder's input is (x - location) / scale. Called if `standardizes` is true.

        Args:
            location: Array that broadcasts against x.
            scale: Array of the same shape.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `standardize`.")

    def packer(self) -> Callable[[np.ndarray], np.ndarray]:
        """Returns a function that packs checked x for the graph: see `far_columns`."""
        return lambda x: x

    def unpack(self, x) -> Tensor:
        """Returns x of a packed tensor."""
        return x

    def in_float64(self) -> Callable | None:
        """Returns a function from parameters to x in float64, or None if float32 is precise enough.

        The function takes an array of parameters, and a seed or None: it returns a sample, or
        without a seed the mean.
        """
        return None

    @abc.abstractmethod
    def log_prob(self, x, parameters) -> Tensor:
        """Returns the log-probability or log-density of each example, summed over its entries.

        Args:
            x: Tensor of shape `(batch, *x_shape)`, within the `support`.
            parameters: Tensor of shape `(batch, *parameter_shape(x_shape))`.

        Returns:
            Tensor of shape `(batch,)`, in nats.
        """

    def log_prob_of_batch(self, x, parameters) -> Tensor:
        """Returns `log_prob` in a training step, where it may depend on the whole batch."""
        return self.log_prob(x, parameters)

    @abc.abstractmethod
    def mean(self, parameters) -> Tensor:
        """Returns the mean of x, the displayed image, of shape `(batch, *x_shape)`."""

    def sample(self, parameters, seed=None) -> Tensor:
        """Samples x.

        Args:
            parameters: Tensor of shape `(batch, *parameter_shape(x_shape))`.
            seed: An integer, a `keras.random.SeedGenerator`, or None.

        Returns:
            Tensor of shape `(batch, *x_shape)`, within the `support`.

        Raises:
            NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be sampled from: define `sample(self, parameters, "
            "seed=None)`, which returns a tensor of the shape of x."
        )

    def call(self, parameters) -> Tensor:
        return self.mean(parameters)
