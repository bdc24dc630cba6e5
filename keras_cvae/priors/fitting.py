r"""Fits a prior to the aggregate posterior, the distribution of the encodings of each y.

    q(z | y) = 1/N \sum_i q(z | x_i, y),   x_i the examples of y

A decoder is trained on samples of q(z | y), but `generate` samples p(z | y). If the two differ,
images are generated from z that did not occur in training, or occurred for other classes. Of all
priors, q(z | y) itself maximizes the ELBO.

Reference:
    [Hoffman and Johnson, 2016](https://approximateinference.org/accepted/HoffmanJohnson2016.pdf);
    fitting a density afterwards: [Ghosh et al., 2020](https://arxiv.org/abs/1903.12436).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from keras_cvae import divergences, fitting, noise, progress, terms

SAMPLES = 4000  # samples of the aggregate posterior of each y: enough for ten components
HELD_OUT = 0.1  # share of the examples for the choice of settings
CANDIDATES = 1, 2, 5  # numbers of components to compare, with the largest
FEWEST = 10  # least number of examples for each component
UNUSED = -30.0  # logit of components that are not needed
EPOCHS, LEARNING_RATE = 20, 3e-3
PATIENCE = 8  # epochs without a better fit of held-out examples, after which fitting stops
STEPS = 50  # of an epoch, at least, where batches are not smaller than 32 or greater than 512


class Encodings(NamedTuple):
    """Posteriors q(z | x, y) of examples.

    Attributes:
        z_mean: Array of shape `(examples, latent_dim)`.
        z_log_var: Array of the same shape.
        y: Conditions, an array of shape `(examples, width)`, or None.
    """

    z_mean: np.ndarray
    z_log_var: np.ndarray
    y: np.ndarray | None = None

    def take(self, rows) -> Encodings:
        """Returns the encodings of some examples, chosen by indices or a mask `rows`."""
        return Encodings(*(None if array is None else array[rows] for array in self))

    def split(self, seed: int) -> tuple[Encodings, Encodings]:
        """Splits the encodings at random into those to fit to and those of held-out examples."""
        order = np.random.default_rng(seed).permutation(len(self.z_mean))
        train, test = np.split(order, [-max(1, int(HELD_OUT * len(order)))])
        return self.take(train), self.take(test)

    def sample(self, rng) -> np.ndarray:
        """Returns a sample of each posterior, generated with a NumPy generator `rng`."""
        deviation = np.exp(0.5 * np.minimum(self.z_log_var, divergences.LOG_VAR_LIMIT))
        eps = rng.standard_normal(self.z_mean.shape)
        return (self.z_mean + deviation * eps).astype("float32")


def best_of(
    priors, encodings: Encodings, held_out: Encodings | None, seed: int = 0, verbose: int = 0
) -> tuple[str, dict]:
    """Fits priors to the same encodings, and chooses the best on other encodings.

    Args:
        priors: Dict of built priors by name.
        encodings: The encodings to fit to.
        held_out: As for `Prior.fit`.
        seed: As for `Prior.fit`.
        verbose: As for `Prior.fit`.

    Returns:
        `(name, report)`: the name of the prior under which samples of held-out posteriors have the
        highest density. The report is a dict of the name, `prior`, and for several priors the
        `scores`, the average log-density under each in nats; for a single prior the values of its
        `fit`.
    """
    options = {"seed": seed, "verbose": verbose}
    if len(priors) == 1:
        ((name, prior),) = priors.items()
        return name, {"prior": name, **prior.fit(encodings, held_out, **options)}
    if held_out is None:
        encodings, held_out = encodings.split(seed)
    z = ops.convert_to_tensor(held_out.sample(np.random.default_rng(seed)))
    scores = {}
    for name, prior in priors.items():
        prior.fit(encodings, held_out, **options)
        y = ops.convert_to_tensor(held_out.y) if prior.conditional else None
        scores[name] = float(np.mean(ops.convert_to_numpy(prior.log_prob(z, y))))
    chosen = max(scores, key=scores.get)
    return chosen, {"prior": chosen, "scores": scores}


def by_gradients(
    prior, encodings: Encodings, held_out: Encodings | None = None, seed: int = 0, verbose: int = 0
) -> dict:
    """Fits a prior by stochastic gradients of KL(q(z | x, y) || p(z | y)), averaged over examples.

    Fitting stops when the divergence of held-out examples has not decreased for some epochs, and
    the weights of the best epoch are restored.

    Args:
        prior: A built `Prior` with trainable weights.
        encodings: As for `Prior.fit`.
        held_out: As for `Prior.fit`.
        seed: As for `Prior.fit`.
        verbose: As for `Prior.fit`.

    Returns:
        Dict of `scores`: minus the divergence of held-out examples after each epoch, from 1, in
        nats.
    """
    if held_out is None:
        encodings, held_out = encodings.split(seed)
    train, test = ([*part[: 2 + prior.conditional]] for part in (encodings, held_out))
    inputs = [keras.Input(array.shape[1:]) for array in train]
    arguments = {"y": inputs[2]} if prior.conditional else {}
    model = fitting.FusedModel(inputs, _Divergence(prior, seed)(inputs[:2], **arguments))
    batch_size = int(np.clip(len(train[0]) // STEPS, 32, 512))
    steps = EPOCHS * -(-len(train[0]) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps)
    model.compile(keras.optimizers.Adam(schedule))
    best = keras.callbacks.EarlyStopping("val_loss", patience=PATIENCE, restore_best_weights=True)
    bar = progress.bar(EPOCHS, "epoch", verbose)
    shown = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: bar.update(epoch + 1))
    options = {"epochs": EPOCHS, "batch_size": batch_size, "verbose": 0, "callbacks": [best, shown]}
    history = model.fit(train, validation_data=(test, None), **options).history["val_loss"]
    bar.update(len(history), finalize=True)
    return {"scores": {epoch: -float(kl) for epoch, kl in enumerate(history, start=1)}}


class _Divergence(terms.LossLayer):
    """Adds KL(q(z | x, y) || p(z | y)) to the loss, in nats, from one sample of each posterior."""

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


def mixture(prior, encodings: Encodings, held_out: Encodings | None = None, seed: int = 0) -> dict:
    """Fits a `Mixture` by expectation maximisation.

    The number of components, the same for all classes, is the one with the highest density of
    samples of held-out examples; components that are not needed get almost no weight. If y is a
    class, one-hot, each class has a mixture. The mixture of an unknown y is fitted to the examples
    without y or, if there are none, to all examples; it is also that of a class without examples.
    Any other y shifts a single mixture, linearly.

    Args:
        prior: A built `Mixture`.
        encodings: As for `Prior.fit`.
        held_out: As for `Prior.fit`.
        seed: As for `Prior.fit`.

    Returns:
        Dict of `components`, the chosen number, and `scores`: the average log-density of held-out
        samples for each number of components, in nats.
    """
    parts = [encodings] if held_out is None else [encodings, held_out]
    y = encodings.y
    if not prior.conditional or y is None:
        groups, shift = [{-1: part} for part in parts], None
    elif is_one_hot(y):
        groups, shift = [_by_class(part) for part in parts], None
    else:
        centre = y.mean(0)
        z_mean = encodings.z_mean
        shift, *_ = np.linalg.lstsq(y - centre, z_mean - z_mean.mean(0), rcond=None)
        groups = [
            {-1: part._replace(z_mean=part.z_mean - (part.y - centre) @ shift)} for part in parts
        ]
    rng = np.random.default_rng(seed)
    train, test = groups[0], groups[-1]
    samples = {
        label: [*_samples(part, test.get(label, part), rng)] for label, part in train.items()
    }
    examples = {label: len(part.z_mean) for label, part in train.items()}
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
        table[1:] -= table[0]  # the rows of y are added to that of an unknown y
    if shift is not None:
        tables = [np.concatenate([t, np.zeros((rows - 1, *t.shape[1:]))]) for t in tables]
        tables[1][0] -= centre @ shift
        tables[1][1:] = shift[:, None]
    for weight, table in zip((prior.logits, prior.means, prior.whitening), tables, strict=True):
        weight.assign(table)
    return {"components": chosen, "scores": scores}


def is_one_hot(y) -> bool:
    """Returns whether all rows of an array are one-hot vectors or zeros."""
    return bool(np.isin(y, (0, 1)).all() and (y.sum(1) <= 1).all())


def _by_class(encodings):
    """Returns a dict of the encodings of each class; at -1 those of an unknown class, or all."""
    y = encodings.y
    labels = np.where(y.any(1), y.argmax(1), -1)
    groups = {label: encodings.take(labels == label) for label in {*labels}}
    groups.setdefault(-1, encodings)
    return groups


def _samples(train, test, rng):
    """Yields samples of q(z | y) to fit to, and others for the choice of settings."""
    orders = [rng.permutation(len(part.z_mean)) for part in (train, test)]
    if test is train:  # none are held out
        order = orders[0][: round(SAMPLES / (1 - HELD_OUT))]
        split = int(HELD_OUT * len(order))
        orders = order[split:], order[:split] if split else order
    for part, rows in zip((train, test), orders, strict=True):
        rows = rows[:SAMPLES]
        rows = np.resize(rows, max(len(rows), min(SAMPLES, 10 * len(rows))))
        yield part.take(rows).sample(rng)


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
    """Returns logits, means and whitening matrices, as in the weights of `Mixture`."""
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
