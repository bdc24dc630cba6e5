"""Builds a conditional VAE: wires the parts together in one graph, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import keras

from keras_cvae import conditions, conv, dense, layers, networks
from keras_cvae.checks import look_up
from keras_cvae.cvae import CVAE

NETWORKS = {
    "dense": (
        dense.build_dense_encoder,
        dense.build_dense_decoder,
        dense.build_dense_classifier,
    ),
    "conv": (conv.build_conv_encoder, conv.build_conv_decoder, conv.build_conv_classifier),
}


def build_cvae(
    input_shape: Sequence[int],
    condition=None,
    latent_dim: int = 2,
    *,
    network="dense",
    likelihood="bernoulli",
    prior="standard_normal",
    binarize: str | None = None,
    label_dropout: float = 0.0,
    beta: float = 1.0,
    estimator: str = "analytic",
    infer_label: bool = False,
    classification_weight: float = 1.0,
    relaxation: float = 1.0,
    name: str = "cvae",
    **network_options,
) -> CVAE:
    r"""Builds a conditional VAE, ready for `compile` and `fit`.

    The graph is x = binarize(image); z ~ q(z | x, y); x' ~ p(x | z, y), and its loss
    -log p(x | z, y) + beta KL(q(z | x, y) || p(z)), in nats per example.

    Args:
        input_shape: Shape of one image or vector, such as `(28, 28, 1)`, `(32, 32, 3)` or `(784,)`.
        condition: The number of classes, or None for a plain VAE.
        latent_dim: Size of z.
        network: `"dense"`, `"conv"`, or a pair `(encoder_body, decoder_body)` of Keras models: see
            `networks.build_encoder` and `networks.build_decoder` for what they take and return.
        likelihood: `"bernoulli"`, `"gaussian"`, or an object from `keras_cvae.likelihoods`.
        prior: `"standard_normal"`, or an object from `keras_cvae.priors`.
        binarize: None keeps grey pixels; `"threshold"` sets those above a half to 1 and others to
            0; `"dynamic"` draws them anew at every step.
        label_dropout: How often training hides a label from the model, in [0, 1]; 0.1 makes
            `generate(None)` draw from the whole data set.
        beta: Weight of the KL divergence; 1 makes the loss minus the ELBO.
        estimator: Of the KL divergence: `"analytic"` or `"monte_carlo"`.
        infer_label: Whether the label is predicted from the image rather than given. The model
            then has a `classifier`, whose draw (a straight-through Gumbel-softmax) conditions
            encoder and decoder; labels serve the cross-entropy alone, -1 being left out.
        classification_weight: Weight of that cross-entropy in the loss.
        relaxation: Temperature of the Gumbel-softmax.
        name: Name of the model.
        **network_options: What the network takes: `hidden_units=(500, 500)`, `filters=(32, 64)`,
            `kernel_size=5`, `activation="tanh"`.

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
    input_shape = _positive_integers("input_shape", input_shape)
    (latent_dim,) = _positive_integers("latent_dim", [latent_dim])
    condition = conditions.get(condition)
    if condition is None and label_dropout:
        raise ValueError(f"`label_dropout` needs a `condition`. Received: {label_dropout}")
    if isinstance(condition, conditions.Vector):
        raise ValueError("`condition` must be a number of classes or None. Received: a `Vector`")
    if infer_label and (condition is None or label_dropout or not isinstance(network, str)):
        raise ValueError(
            "`infer_label` needs a `condition`, a network of this package and no `label_dropout`. "
            f"Received: condition={condition}, network={network}, label_dropout={label_dropout}"
        )
    encoder, decoder, *classifier = _build_networks(
        network, input_shape, condition, latent_dim, infer_label, network_options
    )

    image = pixels = keras.Input(input_shape, name="image")
    label = y = None
    if binarize is not None:
        pixels = layers.Binarize(binarize, name="binarize")(image)
    if condition is not None:
        label = condition.input()
    if infer_label:
        classification = layers.ClassificationLoss(classification_weight, name="classification")
        logits = classification([label, classifier[0](pixels)])
        y = layers.GumbelSoftmax(relaxation, name="inferred_label")(logits)
    elif condition is not None:
        y = conditions.LabelDropout(label_dropout, name="label_dropout")(label)

    z_mean, z_log_var = encoder(_with(pixels, y))
    sampling = layers.Sampling(name="sampling")
    kl = layers.KLDivergence(beta, estimator, prior, name="kl")
    if estimator == "analytic":
        z = sampling(kl([z_mean, z_log_var]))
    else:
        _, _, z = kl([z_mean, z_log_var, sampling([z_mean, z_log_var])])
    parameters = decoder(_with(z, y))
    outputs = layers.ReconstructionLoss(likelihood, name="reconstruction")([pixels, parameters])
    return CVAE(_with(image, label), outputs, name=name)


def _build_networks(network, input_shape, condition, latent_dim, infer_label, options):
    if isinstance(network, (list, tuple)) and len(network) == 2:
        if options:
            raise ValueError(f"A network of your own takes no options. Received: {sorted(options)}")
        bodies = zip((networks.build_encoder, networks.build_decoder), network, strict=True)
        return [build(body, input_shape, condition, latent_dim) for build, body in bodies]
    builders = look_up("network", network, NETWORKS)
    known = [
        parameter.name
        for parameter in inspect.signature(builders[0]).parameters.values()
        if parameter.kind == parameter.KEYWORD_ONLY
    ]
    for option in options:
        if option not in known:
            raise ValueError(
                f"`build_cvae` knows no argument {option!r}; the {network} network takes {known}. "
                f"Received: {option}={options[option]!r}"
            )
    build_encoder, build_decoder, build_classifier = builders
    if not infer_label:
        return [
            build(input_shape, condition, latent_dim, **options)
            for build in (build_encoder, build_decoder)
        ]
    relaxed = conditions.Vector(condition.num_classes)
    return [
        build_encoder(input_shape, relaxed, latent_dim, **options),
        build_decoder(input_shape, relaxed, latent_dim, **options),
        build_classifier(input_shape, condition.num_classes, **options),
    ]


def _positive_integers(argument, values) -> tuple[int, ...]:
    try:
        checked = tuple(int(value) for value in values if value == int(value) and value > 0)
    except (TypeError, ValueError):
        checked = ()
    if not checked or len(checked) != len(values):
        received = values[0] if argument == "latent_dim" else values
        raise ValueError(f"`{argument}` must be of positive integers. Received: {received!r}")
    return checked


def _with(tensor, label=None):
    return tensor if label is None else [tensor, label]
