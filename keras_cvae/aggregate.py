r"""A mixture fitted to the aggregate posterior: where the encodings of each y lie.

    q(z | y) = 1/N \sum_i q(z | x_i, y),   x_i the examples of y

What a decoder was trained on are draws of it, and `generate` draws from p(z | y): where the two
differ, images are drawn from z that the decoder has never seen, or seen for other classes. Of all
priors, q(z | y) itself makes the ELBO greatest.

Reference:
    [Hoffman and Johnson, 2016](https://approximateinference.org/accepted/HoffmanJohnson2016.pdf);
    fitting a mixture afterwards: [Ghosh et al., 2020](https://arxiv.org/abs/1903.12436).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from keras_cvae import batched, divergences, graph
from keras_cvae.priors.mixture import Mixture

MOST = 100_000  # examples that are encoded
DRAWS = 4000  # of the aggregate posterior of each y: enough for ten components
HELD_OUT = 0.1  # share of the examples that the number of components is chosen on
CANDIDATES = (1, 2, 5, 10)
FEWEST = 10  # examples for each component
UNUSED = -30.0  # logit of a component that a class with few examples goes without


def fit(
    encodings: Mapping[int, tuple[np.ndarray, np.ndarray]],
    num_classes: int = 0,
    *,
    candidates: Sequence[int] = CANDIDATES,
    seed: int = 0,
) -> tuple[Mixture, dict[int, float]]:
    """Fits a mixture of full covariances for each class.

    The number of components, one for all classes, is that of the candidates under which draws of
    held-out examples have the greatest density.

    Args:
        encodings: By label, -1 for no label, `(z_mean, z_log_var)` of its examples, arrays of shape
            `(examples, latent_dim)`. A class that is missing is given what no label is.
        num_classes: How many classes there are; 0 where the prior is not to depend on y.
        candidates: Numbers of components to choose from.
        seed: Of draws and of the fitting.

    Returns:
        `(prior, scores)`: a built `Mixture` that is not trainable, and by number of components the
        average log-density of held-out draws, in nats.
    """
    rng = np.random.default_rng(seed)
    draws = {label: [*_draw(*encodings[label], rng)] for label in encodings}
    examples = {label: len(encodings[label][0]) for label in encodings}
    fitted, scores = {}, {}
    for count in candidates:
        of_label = fitted[count] = {}
        for label, (train, _) in draws.items():
            of_label[label] = _mixture(train, min(count, examples[label] // FEWEST), seed)
        held_out = [of_label[label].score(test) for label, (_, test) in draws.items()]
        scores[count] = float(np.average(held_out, weights=[*examples.values()]))
    chosen = max(scores, key=scores.get)
    return _prior(fitted[chosen], num_classes, chosen), scores


def _draw(mean, log_var, rng):
    """Draws of q(z | y): of some examples to fit to, and of others to choose by."""
    order = rng.permutation(len(mean))[: round(DRAWS / (1 - HELD_OUT))]
    split = int(HELD_OUT * len(order))
    parts = order[split:], order[:split] if split else order  # too few to hold any out
    for rows in parts:
        rows = np.resize(rows, max(len(rows), min(DRAWS, 10 * len(rows))))
        noise = rng.standard_normal((len(rows), mean.shape[1]))
        deviation = np.exp(0.5 * np.minimum(log_var[rows], divergences.LOG_VAR_LIMIT))
        yield (mean[rows] + deviation * noise).astype("float32")


def _mixture(z, count, seed):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    floor = 1e-4 * float(z.var(0).mean()) + 1e-6
    mixture = GaussianMixture(
        max(count, 1), reg_covar=floor, tol=1e-2, max_iter=60, random_state=seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(z)


def _prior(mixtures, num_classes, components):
    """What an unknown y has, and what every class has more or less."""
    rows = [_row(mixtures.get(label, mixtures[-1]), components) for label in range(-1, num_classes)]
    tables = [np.stack(values) for values in zip(*rows, strict=True)]
    for table in tables:
        table[1:] -= table[0]
    return _of_tables(tables)


def _of_tables(tables):
    (rows, components), size = tables[0].shape, tables[1].shape[-1]
    prior = Mixture(components, conditional=rows > 1, covariance="full", trainable=False)
    prior.build((None, size), (None, rows - 1))
    for weight, table in zip(prior.weights, tables, strict=True):
        weight.assign(table)
    return prior


def _row(mixture, components):
    """Logits, means and whitening matrices, as `Mixture` has them."""
    missing = components - mixture.n_components
    whitening = mixture.precisions_cholesky_.transpose(0, 2, 1).copy()
    diagonal = np.arange(whitening.shape[-1])
    whitening[:, diagonal, diagonal] = np.log(whitening[:, diagonal, diagonal])
    logits = np.pad(np.log(mixture.weights_), (0, missing), constant_values=UNUSED)
    among = np.resize(np.arange(mixture.n_components), components)
    return logits, mixture.means_[among], whitening[among]


def fit_along(z_mean, z_log_var, y, *, candidates=CANDIDATES, seed=0):
    """Fits one mixture that y, which may be continuous, shifts linearly.

    Args:
        z_mean: Array of shape `(examples, latent_dim)`.
        z_log_var: Array of the same shape.
        y: Conditions, an array of shape `(examples, width)`.
        candidates: As for `fit`.
        seed: As for `fit`.

    Returns:
        As `fit`.
    """
    centre = y.mean(0)
    slope, *_ = np.linalg.lstsq(y - centre, z_mean - z_mean.mean(0), rcond=None)
    shift = (y - centre) @ slope
    prior, scores = fit({-1: (z_mean - shift, z_log_var)}, candidates=candidates, seed=seed)
    (logits, means, whitening) = (keras.ops.convert_to_numpy(weight) for weight in prior.weights)
    tables = [np.zeros((1 + len(slope), *table.shape[1:])) for table in (logits, means, whitening)]
    tables[0][0], tables[1][0], tables[2][0] = logits[0], means[0] - centre @ slope, whitening[0]
    tables[1][1:] = slope[:, None]
    return _of_tables(tables), scores


def of_model(cvae, batches, seed: int = 0) -> tuple[Mixture, dict[int, float]]:
    """Fits a mixture to what a model encodes, of its first group of latents.

    Where the model was trained with unknown labels, what no label gets is fitted to images that are
    encoded without; else to the encodings of all.

    Args:
        cvae: A `CVAE` without a fitted prior.
        batches: Iterable of `(images, values)`, as `CVAE.encode` takes them.
        seed: Of draws and of the fitting.

    Returns:
        As `fit`.
    """
    size = cvae.prior_size
    embed = graph.cut_condition(cvae)
    without = cvae.num_classes and not cvae.infers_label and cvae.condition.has_seen_unknown
    found, unlabelled = [], []
    for images, values in batches:
        images, known = cvae.check_data(images, values)
        encoded = [part[:, :size] for part in cvae.encode(images, values)]
        y = known[0] if cvae.num_classes else embed and batched.predict(embed, known)
        found.append((*encoded, np.full(len(images), -1) if y is None else y))
        if without and sum(len(mean) for mean, _ in unlabelled) < 2 * DRAWS:
            unlabelled.append([part[:, :size] for part in cvae.encode(images)])
    mean, log_var, y = map(np.concatenate, zip(*found, strict=True))
    if y.ndim > 1:
        return fit_along(mean, log_var, y, seed=seed)
    encodings = {label: (mean[y == label], log_var[y == label]) for label in np.unique(y)}
    encodings[-1] = mean, log_var
    if unlabelled:
        encodings[-1] = tuple(map(np.concatenate, zip(*unlabelled, strict=True)))
    return fit(encodings, cvae.num_classes or 0, seed=seed)
