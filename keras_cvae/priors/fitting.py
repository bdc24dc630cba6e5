r"""Fits a prior to the aggregate posterior: where the encodings of each y lie.

    q(z | y) = 1/N \sum_i q(z | x_i, y),   x_i the examples of y

What a decoder was trained on are samples of it, and `generate` samples p(z | y): where the two
differ, images are generated from z that the decoder has never seen, or seen for other classes. Of
all priors, q(z | y) itself makes the ELBO greatest.

Reference:
    [Hoffman and Johnson, 2016](https://approximateinference.org/accepted/HoffmanJohnson2016.pdf);
    fitting a density afterwards: [Ghosh et al., 2020](https://arxiv.org/abs/1903.12436).
"""

from __future__ import annotations

import warnings

import keras
import numpy as np
from keras import ops

from keras_cvae import divergences, fitting, noise, progress, terms

SAMPLES = 4000  # of the aggregate posterior of each y: enough for ten components
HELD_OUT = 0.1  # share of the examples that settings are chosen on
CANDIDATES = 1, 2, 5  # numbers of components, beside the greatest
FEWEST = 10  # examples for each component
UNUSED = -30.0  # logit of a component that a class with few examples goes without
EPOCHS, LEARNING_RATE = 40, 3e-3
PATIENCE = 8  # epochs without a better fit of held-out examples, after which fitting stops
STEPS = 50  # of an epoch, at least, where batches are not smaller than 32 or greater than 512


def best_of(priors, z_mean, z_log_var, y=None, seed: int = 0, verbose: int = 0) -> tuple[str, dict]:
    """Fits priors to the same encodings; of several chooses by others.

    Args:
        priors: Dict of built priors by name.
        z_mean: As for `by_gradients`.
        z_log_var: As for `by_gradients`.
        y: As for `by_gradients`.
        seed: As for `by_gradients`.
        verbose: As for `by_gradients`.

    Returns:
        `(name, report)`: of one prior what its `fit` returns. Of several the one under which
        samples of held-out posteriors have the greatest density, and a dict of its name, `prior`,
        and of `scores`, the average log-density under each, in nats.
    """
    arrays = [z_mean, z_log_var, *([] if y is None else [y])]
    if len(priors) == 1:
        ((name, prior),) = priors.items()
        return name, prior.fit(*arrays, seed=seed, verbose=verbose)
    train, (mean, log_var, *known) = _split(arrays, seed)
    eps = np.random.default_rng(seed).standard_normal(mean.shape)
    z = mean + np.exp(0.5 * np.minimum(log_var, divergences.LOG_VAR_LIMIT)) * eps
    scores = {}
    for name, prior in priors.items():
        prior.fit(*train, seed=seed, verbose=verbose)
        log_p = prior.log_prob(z.astype("float32"), *(known if prior.conditional else ()))
        scores[name] = float(np.mean(ops.convert_to_numpy(log_p)))
    chosen = max(scores, key=scores.get)
    return chosen, {"prior": chosen, "scores": scores}


def by_gradients(
    prior, z_mean, z_log_var, y=None, seed: int = 0, verbose: int = 0, epochs: int = EPOCHS
) -> dict:
    """Fits a prior by stochastic gradients of KL(q(z | x, y) || p(z | y)), averaged over examples.

    Fitting stops where the divergence of held-out examples has not fallen for some epochs, and the
    weights are those of the epoch after which it was least.

    Args:
        prior: A built `Prior` with trainable weights.
        z_mean: Array of shape `(examples, latent_dim)`.
        z_log_var: Array of the same shape.
        y: Conditions, an array of shape `(examples, width)`, where the prior depends on them.
        seed: Seed of samples and of the order of the examples.
        verbose: 1 shows a progress bar, 0 does not.
        epochs: Passes over the examples, at most.

    Returns:
        Dict of `scores`: by epoch, from 1, minus the divergence of held-out examples, in nats.
    """
    arrays = [z_mean, z_log_var, *([y] if prior.conditional else [])]
    inputs = [keras.Input(array.shape[1:]) for array in arrays]
    given = {"y": inputs[2]} if prior.conditional else {}
    model = fitting.FusedModel(inputs, _Divergence(prior, seed)(inputs[:2], **given))
    train, test = _split(arrays, seed)
    batch_size = int(np.clip(len(train[0]) // STEPS, 32, 512))
    steps = epochs * -(-len(train[0]) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(schedule))
    best = keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True)
    bar = progress.bar(epochs, "epoch", verbose)
    shown = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.update(epoch + 1))
    options = {"epochs": epochs, "batch_size": batch_size, "verbose": 0, "callbacks": [best, shown]}
    history = model.fit(train, validation_data=(test, None), **options).history["val_loss"]
    bar.update(len(history), finalize=True)
    return {"scores": {epoch: -float(kl) for epoch, kl in enumerate(history, start=1)}}


def _split(arrays, seed):
    """The arrays of most examples, and those of the held-out ones."""
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    held_out = max(1, int(HELD_OUT * len(order)))
    return [[array[rows] for array in arrays] for rows in np.split(order, [-held_out])]


class _Divergence(terms.LossLayer):
    """Loss layer: adds KL(q(z | x, y) || p(z | y)), in nats, of one sample z of each posterior."""

    def __init__(self, prior, seed, **kwargs):
        super().__init__(**kwargs)
        self.prior = prior
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, y=None):
        mean, log_var = inputs
        log_var = ops.minimum(log_var, divergences.LOG_VAR_LIMIT)
        eps = noise.normal(ops.shape(mean), self.seed_generator, mean.dtype)
        z = mean + ops.exp(0.5 * log_var) * eps
        self.add_term(self.prior.kl(mean, log_var, z=z, y=y))
        return z

    def compute_output_spec(self, inputs, y=None):
        return keras.KerasTensor(inputs[0].shape, dtype=self.compute_dtype)


def mixture(prior, z_mean, z_log_var, y=None, seed: int = 0) -> dict:
    """Fits a `Mixture` by expectation maximisation.

    The number of components, one for all classes, is that under which samples of held-out examples
    have the greatest density; components that are not needed are given next to no weight. Where y
    is a class, one-hot, each class has a mixture, and what is not known of y one that is fitted to
    the examples without y or, where all have one, to all; so has a class without examples. Any
    other y shifts one mixture, linearly.

    Args:
        prior: A built `Mixture`.
        z_mean: As for `by_gradients`.
        z_log_var: As for `by_gradients`.
        y: As for `by_gradients`.
        seed: Seed of samples and of the first components.

    Returns:
        Dict of `components`, the number that was chosen, and `scores`: by number of components the
        average log-density of held-out samples, in nats.
    """
    if not prior.conditional or y is None:
        groups, shift = {-1: (z_mean, z_log_var)}, None
    elif _is_one_hot(y):
        groups, shift = _by_class(z_mean, z_log_var, y), None
    else:
        centre = y.mean(0)
        shift, *_ = np.linalg.lstsq(y - centre, z_mean - z_mean.mean(0), rcond=None)
        groups = {-1: (z_mean - (y - centre) @ shift, z_log_var)}
    rng = np.random.default_rng(seed)
    samples = {label: [*_sample(z, v, rng)] for label, (z, v) in groups.items()}
    examples = {label: len(encodings[0]) for label, encodings in groups.items()}
    fitted, scores = {}, {}
    for count in sorted({*CANDIDATES, prior.components}):
        if count > prior.components:
            break
        of_label = fitted[count] = {
            label: _fit(train, min(count, examples[label] // FEWEST), prior.covariance, seed)
            for label, (train, _) in samples.items()
        }
        held_out = [of_label[label].score(test) for label, (_, test) in samples.items()]
        scores[count] = float(np.average(held_out, weights=[*examples.values()]))
    chosen = max(scores, key=scores.get)
    rows = prior.logits.shape[0]
    labels = [-1] if shift is not None else range(-1, rows - 1)
    of_rows = [_row(fitted[chosen].get(n, fitted[chosen][-1]), prior.components) for n in labels]
    tables = [np.stack(values) for values in zip(*of_rows, strict=True)]
    for table in tables:
        table[1:] -= table[0]  # y adds to what an unknown y has
    if shift is not None:
        tables = [np.concatenate([t, np.zeros((rows - 1, *t.shape[1:]))]) for t in tables]
        tables[1][0] -= centre @ shift
        tables[1][1:] = shift[:, None]
    for weight, table in zip((prior.logits, prior.means, prior.whitening), tables, strict=True):
        weight.assign(table)
    return {"components": chosen, "scores": scores}


def _is_one_hot(y):
    """Whether rows are one-hot vectors, or all zeros."""
    return bool(np.isin(y, (0, 1)).all() and (y.sum(1) <= 1).all())


def _by_class(z_mean, z_log_var, y):
    """Encodings by class, and under -1 those of an unknown one."""
    labels = np.where(y.any(1), y.argmax(1), -1)
    groups = {label: (z_mean[labels == label], z_log_var[labels == label]) for label in {*labels}}
    groups.setdefault(-1, (z_mean, z_log_var))
    return groups


def _sample(mean, log_var, rng):
    """Samples of q(z | y): of some examples to fit to, and of others to choose by."""
    order = rng.permutation(len(mean))[: round(SAMPLES / (1 - HELD_OUT))]
    split = int(HELD_OUT * len(order))
    parts = order[split:], order[:split] if split else order  # too few to hold any out
    for rows in parts:
        rows = np.resize(rows, max(len(rows), min(SAMPLES, 10 * len(rows))))
        noise = rng.standard_normal((len(rows), mean.shape[1]))
        deviation = np.exp(0.5 * np.minimum(log_var[rows], divergences.LOG_VAR_LIMIT))
        yield (mean[rows] + deviation * noise).astype("float32")


def _fit(z, count, covariance, seed):
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    floor = 1e-4 * float(z.var(0).mean()) + 1e-6
    options = {"reg_covar": floor, "tol": 1e-2, "max_iter": 60, "random_state": seed}
    fitted = GaussianMixture(max(count, 1), covariance_type=covariance, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted.fit(z)


def _row(fitted, components):
    """Logits, means and whitening matrices, as `Mixture` has them."""
    missing = components - fitted.n_components
    whitening = fitted.precisions_cholesky_
    if whitening.ndim == 2:  # diagonals
        whitening = np.log(whitening)
    else:
        whitening = whitening.transpose(0, 2, 1).copy()
        diagonal = np.arange(whitening.shape[-1])
        whitening[:, diagonal, diagonal] = np.log(whitening[:, diagonal, diagonal])
    logits = np.pad(np.log(fitted.weights_), (0, missing), constant_values=UNUSED)
    among = np.resize(np.arange(fitted.n_components), components)
    return logits, fitted.means_[among], whitening[among]
