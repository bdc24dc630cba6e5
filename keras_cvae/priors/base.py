"""The base of all priors: a density, a KL divergence, and a map from noise to z and back."""

from __future__ import annotations

import inspect

import keras
from keras import ops

from keras_cvae import checks, divergences
from keras_cvae.precision import Float32Layer
from keras_cvae.priors import fitting
from keras_cvae.types import Tensor


class Prior(Float32Layer):
    """A distribution p(z | y) of the latents, in float32.

    A subclass defines `log_prob`, `transport` and its inverse `noise`, and `kl` where that has a
    closed form, with `kl_by_dimension` where it is a sum over the dimensions of z.

    Call arguments:
        inputs: Noise, as for `transport`; or latents, if `inverse` is true.
        y: As for `transport`.
        temperature: As for `tempered`.
        inverse: Whether to convert latents to noise instead of noise to latents.

    Returns:
        Latents, or noise, a tensor of the shape of `inputs`.

    Attributes:
        closed_form: Whether `kl` needs no sample.
        conditional: Whether the prior depends on y, which it then needs as an argument.
        least_latents: The smallest possible size of z.
    """

    closed_form = False
    conditional = False
    least_latents = 1

    @classmethod
    def to_fit(cls, conditional: bool) -> Prior:
        """Returns the prior that `CVAE.fit_prior` fits for the name of this class.

        Args:
            conditional: Whether there is a y that it may depend on.
        """
        arguments = inspect.signature(cls).parameters
        return cls(conditional=conditional) if "conditional" in arguments else cls()

    def build(self, z_shape, y_shape=None) -> None:
        """Creates the weights.

        Args:
            z_shape: Shape of latents, `(batch, latent_dim)`.
            y_shape: Shape of the condition, `(batch, width)`, if the prior depends on it.
        """
        self.built = True

    def build_for(self, z_shape, y_shape=None) -> None:
        """Creates the weights, or checks that existing weights are for these shapes.

        Args:
            z_shape: As for `build`.
            y_shape: As for `build`.

        Raises:
            ValueError: If the prior was built for another shape.
        """
        built = self.get_build_config()
        if not self.built:
            self.build(z_shape, y_shape)
        elif self.weights and built:
            built = built.get("shapes_dict", {"z_shape": built.get("input_shape")})
            now = {"z_shape": z_shape, "y_shape": y_shape}
            expected = (
                f"must be built for latents and a condition of these shapes, or be new: "
                f"this {type(self).__name__} has weights for {_sizes(built)}"
            )
            checks.require(_sizes(built) == _sizes(now), "prior", expected, _sizes(now))

    def pseudo_inputs(self, shapes, in_unit_interval: bool) -> keras.layers.Layer | None:
        """Returns the layer of pseudo-inputs, if the prior needs the encodings of some, or None.

        Args:
            shapes: Shape of each input of the encoder, without the batch.
            in_unit_interval: Whether the first input is pixels in [0, 1].
        """
        return None

    def arguments(self, y, encode) -> dict:
        """Returns the arguments of a call of the prior in a graph, except latents or noise.

        Args:
            y: The symbolic condition, or None.
            encode: Function without arguments that returns the symbolic `[z_mean, z_log_var]` of
                the `pseudo_inputs`.
        """
        return {"y": y} if self.conditional else {}

    def log_prob(self, z, y=None) -> Tensor:
        """Returns the log-density of latents.

        Args:
            z: Tensor of shape `(..., latent_dim)`.
            y: As for `transport`.

        Returns:
            Tensor of shape `(...)`, in nats.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `log_prob(z, y)`.")

    def transport(self, noise, y=None) -> Tensor:
        """Converts noise to latents.

        The noise is sampled in NumPy, so that a seed gives the same latents on every backend.

        Args:
            noise: Tensor of shape `(batch, latent_dim)`, samples of N(0, I).
            y: Symbolic condition or tensor of shape `(batch, width)`, if the prior depends on it.

        Returns:
            Latents, a tensor of the shape of `noise`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `transport(noise, y)`.")

    def noise(self, z, y=None) -> Tensor:
        """Returns the noise that `transport` converts to `z`: the inverse, for the same `y`.

        If several noises give the same `z`, as with a mixture, it is one of them.

        Args:
            z: Latents, a tensor of shape `(batch, latent_dim)`.
            y: As for `transport`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `noise(z, y)`.")

    def tempered(self, noise, temperature, y=None) -> Tensor:
        """Converts noise to latents with a larger or smaller spread.

        Args:
            noise: As for `transport`.
            temperature: Factor of the spread: a number, or a tensor of shape `(batch, 1)`.
            y: As for `transport`.
        """
        return self.transport(temperature * noise, y)

    def fit(self, encodings, held_out=None, seed: int = 0, verbose: int = 0) -> dict:
        """Fits the prior, after `build`, to posteriors q(z | x, y).

        Args:
            encodings: `priors.fitting.Encodings` of the examples to fit to.
            held_out: Encodings of other examples, which determine when to stop, or the best
                setting; by default a tenth of `encodings`.
            seed: Seed of the random generators.
            verbose: 1 shows a progress bar if fitting takes long, 0 does not.

        Returns:
            Dict of `scores`: the log-density of held-out examples, or minus their KL divergence, by
            setting or by epoch, in nats.
        """
        if not self.trainable_weights:
            return {"scores": {}}
        return fitting.by_gradients(self, encodings, held_out, seed, verbose)

    def call(self, inputs, y=None, temperature=1.0, inverse=False) -> Tensor:
        return self.noise(inputs, y) if inverse else self.tempered(inputs, temperature, y)

    def compute_output_spec(
        self, inputs, y=None, temperature=1.0, inverse=False
    ) -> keras.KerasTensor:
        return keras.KerasTensor(inputs.shape, dtype=self.compute_dtype)

    def kl(self, z_mean, z_log_var, z=None, y=None) -> Tensor:
        """Returns KL(q(z | x, y) || p(z | y)), estimated from the sample z without a closed form.

        Args:
            z_mean: Mean of the posterior, of shape `(batch, latent_dim)`.
            z_log_var: Logarithm of its variance, of the same shape.
            z: Sample of the posterior, of the same shape; needed unless `closed_form`.
            y: As for `transport`.

        Returns:
            Tensor of shape `(batch,)`, in nats.
        """
        return divergences.normal_log_prob(z, z_mean, z_log_var) - self.log_prob(z, y)

    def kl_by_dimension(self, z_mean, z_log_var, y=None) -> Tensor:
        """Returns the contribution of each dimension to `kl`.

        Args:
            z_mean: As for `kl`.
            z_log_var: As for `kl`.
            y: As for `kl`.

        Returns:
            Tensor of shape `(batch, latent_dim)`, in nats.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `kl_by_dimension(z_mean, z_log_var, y)`."
        )

    def _with_one(self, y):
        """Returns [1, y], of which maps with a constant are linear; [1] if y is not used."""
        if not self.conditional:
            return ops.ones((1, 1))
        y = ops.cast(y, "float32")
        return ops.concatenate([ops.ones_like(y[..., :1]), y], axis=-1)


def _sizes(shapes):
    """Returns the shapes that are not None, by name and without the batch."""
    flat = {name: keras.tree.flatten(shape) for name, shape in shapes.items() if shape is not None}
    return {name: [size for size in sizes if size is not None] for name, sizes in flat.items()}
