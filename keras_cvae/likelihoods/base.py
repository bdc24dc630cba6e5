"""What every likelihood is."""

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
    """The entries of each example as a float32 vector, tensor of shape `(batch, entries)`.

    Compilers sum over one axis faster than over several.
    """
    x = ops.cast(x, "float32")
    return ops.reshape(x, (-1, math.prod(x.shape[1:])))


class Likelihood(Float32Layer, abc.ABC):
    """p(x | z, y): what the decoder's output says of x.

    The decoder returns one tensor, the `parameters`, whose shape the likelihood names. A subclass
    defines `log_prob` and `mean`; `sample` where it is to be drawn from; `parameter_shape` where
    the parameters do not have the shape of x; `support` where x is bounded. All computing is in
    float32, whatever the dtype policy.

    Attributes:
        support: The lowest and the highest value that an entry of x may have.
        standardizes: Whether x may have any scale, and `standardize` says which.
        levels: How many values an entry of x may have, k / (levels - 1), of which `log_prob` gives
            the probabilities; None where it gives a density.

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

    def parameter_shape(self, x_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape, without the batch, of what the decoder returns for x of shape `x_shape`."""
        return tuple(x_shape)

    def build_for(self, x_shape, received) -> None:
        """Makes the weights, after a look at what the decoder returns.

        Args:
            x_shape: Shape of x, with the batch.
            received: Shape of what the decoder returns, with the batch.

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

    def check(self, x, name: str):
        """Checks values that a user gives for x, an array of shape `(count, *x_shape)`.

        Returns:
            The array, not copied unless its type has to be another.

        Raises:
            ValueError: If they are not what the likelihood is of; `name` is what they are called.
        """
        return arrays.check_values(x, self.support, name)

    def standardizer(self) -> keras.layers.Layer | None:
        """A layer `standardize`, between x and the encoder; None where x is at unit scale."""
        return standardize.Standardize(name="standardize") if self.standardizes else None

    def standardize(self, location, scale) -> None:
        """Takes what the `standardizer` has learned of x: arrays that broadcast against it.

        What the encoder is given is (x - location) / scale. Called where `standardizes` is true.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `standardize`.")

    def packer(self) -> Callable[[np.ndarray], np.ndarray]:
        """Returns a function that converts checked x to what the graph takes: see `far_columns`."""
        return lambda x: x

    def unpack(self, x):
        """A tensor that the graph was given, as x itself."""
        return x

    def in_float64(self) -> Callable | None:
        """Returns a function of parameters to x in float64, or None where float32 has its digits.

        The function takes an array of parameters, and a seed or None; without a seed it returns the
        mean, with one a draw.
        """
        return None

    @abc.abstractmethod
    def log_prob(self, x, parameters) -> Tensor:
        """Log-probability or log-density of each example, summed over its entries.

        Args:
            x: Tensor of shape `(batch, *x_shape)`, within the `support`.
            parameters: Tensor of shape `(batch, *parameter_shape(x_shape))`.

        Returns:
            Tensor of shape `(batch,)`, in nats.
        """

    def log_prob_of_batch(self, x, parameters) -> Tensor:
        """As `log_prob`, in a step of training, where examples may say something of each other."""
        return self.log_prob(x, parameters)

    @abc.abstractmethod
    def mean(self, parameters) -> Tensor:
        """Mean of x, the picture that is shown: a tensor of shape `(batch, *x_shape)`."""

    def sample(self, parameters, seed=None) -> Tensor:
        """Draws x.

        Args:
            parameters: Tensor of shape `(batch, *parameter_shape(x_shape))`.
            seed: An integer, a `keras.random.SeedGenerator`, or None.

        Returns:
            Tensor of shape `(batch, *x_shape)`, within the `support`.

        Raises:
            NotImplementedError: If the subclass does not define it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} cannot be drawn from: define `sample(self, parameters, "
            "seed=None)`, which returns a tensor of the shape of x."
        )

    def call(self, parameters):
        return self.mean(parameters)
