"""Builds a conditional VAE from the names or objects of its parts."""

from __future__ import annotations

from collections.abc import Sequence

from keras_cvae import (
    checks,
    conditions,
    corruptions,
    graph,
    layers,
    likelihoods,
    networks,
    objectives,
    priors,
)
from keras_cvae.copying import own_copy
from keras_cvae.cvae import CVAE


def build_cvae(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    network="dense",
    likelihood="bernoulli",
    prior="standard_normal",
    objective="elbo",
    binarize=None,
    corruption=None,
    name: str = "cvae",
) -> CVAE:
    r"""Builds a conditional VAE, ready for `compile` and `fit`.

    The graph is x = binarize(image); z ~ q(z | x, y); x' ~ p(x | z, y), and its loss, by default,
    -log p(x | z, y) + KL(q(z | x, y) || p(z | y)), in nats per example. Every part is a name, or an
    object with settings of its own. The model copies the objects, weights included: models share no
    weights, and training does not change the objects.

    Args:
        input_shape: Shape of one image or vector, such as `(28, 28, 1)`, `(32, 32, 3)` or `(784,)`.
        condition: The number of classes, a list of their names, an object of
            `keras_cvae.conditions`, or None for a plain VAE.
        latent_dim: Size of z.
        network: One of `networks.NAMES`, such as `"dense"`, `"conv"` or `"residual"`, an object of
            `keras_cvae.networks`, or a pair `(encoder_body, decoder_body)` of Keras models (see
            `networks.Own`).
        likelihood: One of `likelihoods.NAMES`, such as `"bernoulli"`, `"gaussian"` or `"poisson"`,
            or an object of `keras_cvae.likelihoods`.
        prior: One of `priors.NAMES`, such as `"standard_normal"`, `"conditional"` or `"vamp"`, or
            an object of `keras_cvae.priors`.
        objective: One of `objectives.NAMES`, such as `"elbo"`, `"warmup"` or `"iwae"`, or an object
            of `keras_cvae.objectives`.
        binarize: None keeps grey pixels; `"threshold"` sets those above a half to 1 and others to
            0; `"dynamic"` samples them at every step; or a `layers.Binarize`.
        corruption: None; one of `corruptions.NAMES`, such as `"gaussian"`; or an object of
            `keras_cvae.corruptions`. It corrupts the encoder's input in training, while the
            likelihood is of the clean image. `reconstruct` then restores noisy images.
        name: Name of the model.

    Returns:
        A `CVAE`.

    Raises:
        ValueError: If an argument is not one of the above.

    Example:
    ```python
    cvae = keras_cvae.build_cvae((28, 28, 1), condition=10, latent_dim=64, network="conv")
    cvae.compile(optimizer="adam")
    cvae.fit([x_train, y_train], validation_data=([x_test, y_test], None), epochs=10)
    eights = cvae.generate([8] * 16, seed=0)
    ```

    Reference:
        [Kingma and Welling, 2014](https://arxiv.org/abs/1312.6114);
        [Sohn et al., 2015](https://papers.nips.cc/paper/5775).
    """
    input_shape = checks.integers("input_shape", input_shape)
    latent_dim = checks.integer("latent_dim", latent_dim, least=1)
    condition = own_copy(conditions.get, condition, "condition")
    prior = own_copy(priors.get, prior, "prior")
    if condition is None and prior.conditional:
        raise checks.ArgumentError(
            "prior",
            "must not depend on y where there is no `condition`",
            f"{type(prior).__name__}, condition=None",
        )
    network, objective = networks.get(network), objectives.get(objective)
    inputs, outputs = graph.wire(
        input_shape,
        condition,
        latent_dim,
        network,
        own_copy(likelihoods.get, likelihood, "likelihood"),
        prior,
        objective,
        None if binarize is None else own_copy(layers.Binarize.get, binarize, "binarize"),
        None if corruption is None else own_copy(corruptions.get, corruption, "corruption"),
    )
    cvae = CVAE(inputs if len(inputs) > 1 else inputs[0], outputs, name=name)
    cvae.keep_recipes(network=network, objective=objective)
    return cvae
